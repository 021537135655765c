// Tells receivers of new alarms and of remediations, each from a queue of its own: a slow or dead receiver delays nobody, and
// what it loses is counted.
import type { Notice, SiemConnector } from '../../connectors/siem/notice.ts';
import { BoundedQueue } from '../../kit/bounded-queue.ts';
import type { Log } from '../../kit/log.ts';
import type { Announcement } from '../../model/announcement.ts';
import { severityOrder, type Severity } from '../../model/finding.ts';
import type { Announcements } from '../announcements.ts';
import type { Losses } from '../losses.ts';

export interface Receiver {
  readonly connector: SiemConnector;
  /** Alarms below it are not told. */
  readonly minSeverity: Severity;
  /** How often one notice is tried. */
  readonly attempts: number;
}

export interface NotifierSettings {
  readonly queueMax: number;
  /** Doubles with each attempt at one notice. */
  readonly retryMsFirst: number;
}

const retryMsMax = 30_000;

/** The value stops it; what is queued then is dropped. */
export function startNotifier(
  receivers: readonly Receiver[],
  announcements: Announcements,
  losses: Losses,
  log: Log,
  settings: NotifierSettings,
): () => void {
  const posts = receivers.map((receiver) => startPost(receiver, losses, log, settings));
  const stopListening = announcements.listen((announcement) => {
    const notice = noticeOf(announcement);
    if (notice !== null) for (const post of posts) post.offer(notice);
  });
  return () => {
    stopListening();
    for (const post of posts) post.close();
  };
}

function noticeOf(announcement: Announcement): Notice | null {
  if (announcement.kind === 'alarm' && announcement.isNew) return { kind: 'alarm', alarm: announcement.alarm };
  if (announcement.kind === 'remediation') return { kind: 'remediation', remediation: announcement.remediation };
  return null;
}

function startPost(receiver: Receiver, losses: Losses, log: Log, settings: NotifierSettings) {
  const { connector, minSeverity, attempts } = receiver;
  const queue = new BoundedQueue<Notice>(settings.queueMax);
  const stop = new AbortController();
  let running = false;

  async function run(): Promise<void> {
    running = true;
    for (let [notice] = queue.take(1); notice !== undefined && !stop.signal.aborted; [notice] = queue.take(1))
      await tell(notice);
    running = false;
  }

  async function tell(notice: Notice): Promise<void> {
    let retryMs = settings.retryMsFirst;
    for (let attempt = 1; ; attempt += 1) {
      const sent = await connector.send(notice);
      if (sent.ok || stop.signal.aborted) return;
      if (attempt >= attempts || sent.error.kind === 'refused') {
        losses.notificationsFailed += 1;
        log.warn('a notification could not be sent', { place: connector.place, attempt, cause: sent.error.message });
        return;
      }
      await pause(retryMs, stop.signal);
      retryMs = Math.min(retryMs * 2, retryMsMax);
    }
  }

  return {
    offer(notice: Notice): void {
      if (notice.kind === 'alarm' && isBelow(notice.alarm.severity, minSeverity)) return;
      if (!queue.offer(notice)) losses.notificationsDropped += 1;
      else if (!running) void run();
    },
    close(): void {
      stop.abort();
      losses.notificationsDropped += queue.take(queue.size).length;
      connector.close();
    },
  };
}

function isBelow(severity: Severity, least: Severity): boolean {
  return severityOrder.indexOf(severity) < severityOrder.indexOf(least);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms).unref();
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
