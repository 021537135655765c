// Follows one platform while it answers: what it tells of changes is passed on, and whether it does is known at any time. That
// nobody follows it loses nothing: it is read and held at its pace all the same.
import { isoTime, type Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { PlatformHealth } from '../../model/platform.ts';
import type { FollowedPlatform, PlatformNews } from '../../connectors/enforcement/platform.ts';
import type { OpenPlatform } from './open-platforms.ts';

export type ChangesHealth = PlatformHealth['changes'];

export interface FollowingParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Something changed there, or may have while nobody was told. */
  readonly changed: () => void;
}

export interface Following {
  health(): ChangesHealth;
  /** A platform that does not answer is not followed, so that a refused password is not tried by two. */
  turn(isReachable: boolean): void;
  /** Resolves when the platform knows, or does not answer. */
  close(): Promise<void>;
}

export function followPlatform({ name, platform }: OpenPlatform, parts: FollowingParts): Following {
  const { clock, log } = parts;
  let health: ChangesHealth = {
    state: platform.follow === undefined ? 'polled' : 'broken',
    since: isoTime(clock.now()),
    why: platform.follow === undefined ? null : 'It was not asked yet.',
  };
  let followed: FollowedPlatform | null = null;
  /** The one before has ended: there is never more than one. */
  let ending: Promise<void> = Promise.resolve();
  let isWanted = false;
  let isClosed = false;

  function set(state: ChangesHealth['state'], why: string | null): void {
    const isNews = health.state !== state;
    health = { state, since: isNews ? isoTime(clock.now()) : health.since, why: why?.slice(0, 2000) ?? null };
  }

  function take(news: PlatformNews): void {
    if (news.kind === 'following') {
      if (health.state !== 'followed') log.info('changes of a platform are followed', { platform: name });
      set('followed', null);
    } else if (news.kind === 'broken') {
      const why = sayProblem(news.why);
      const isNews = health.state === 'followed';
      if (isNews) log.warn('changes of a platform are not followed any more', { platform: name, why });
      set('broken', why);
      // The first thing that tells whether it still answers; more of the same trouble says nothing new.
      if (!isNews) return;
    }
    parts.changed();
  }

  async function begin(): Promise<void> {
    await ending;
    if (!isWanted || followed !== null) return;
    const told = (news: PlatformNews): void => {
      if (isWanted) take(news);
    };
    followed = platform.follow?.(told) ?? null;
  }

  function end(): void {
    isWanted = false;
    const ended = followed;
    followed = null;
    if (ended !== null) ending = ended.close();
  }

  return {
    health: () => health,
    turn(isReachable) {
      if (isClosed || platform.follow === undefined || isReachable === isWanted) return;
      if (!isReachable) {
        end();
        set('broken', 'The platform does not answer.');
        return;
      }
      isWanted = true;
      set('broken', 'It has not answered yet.');
      void begin();
    },
    async close() {
      isClosed = true;
      end();
      await ending;
    },
  };
}
