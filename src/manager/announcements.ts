// Tells the rest of the manager what has just been stored. A listener that throws harms neither the others nor the teller.
import type { Log } from '../kit/log.ts';
import { causeOf } from '../kit/problem.ts';
import type { Announcement } from '../model/announcement.ts';

export interface Announcements {
  publish(announcement: Announcement): void;
  /** The value ends the listening. */
  listen(listener: (announcement: Announcement) => void): () => void;
}

export function makeAnnouncements(log: Log): Announcements {
  const listeners = new Set<(announcement: Announcement) => void>();
  return {
    publish(announcement) {
      for (const listener of listeners) {
        try {
          listener(announcement);
        } catch (thrown) {
          log.error('a listener to announcements failed', { kind: announcement.kind, cause: causeOf(thrown) });
        }
      }
    },
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
