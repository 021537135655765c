// The one way to change anything: in a transaction, with who did it in the audit log, and told to listeners only once stored.
// A change that was refused is in the log as well.
import { isoTime } from '../../kit/clock.ts';
import { sayProblem } from '../../kit/problem.ts';
import { ok, type Result } from '../../kit/result.ts';
import type { AuditEntry } from '../../model/audit-entry.ts';
import type { Announcement } from '../../model/announcement.ts';
import type { Desk } from '../desk.ts';
import { appendAudit } from '../store/audit.ts';
import type { Db } from '../store/tables.ts';

/** Who does what to which thing. */
export interface Act {
  readonly by: string;
  readonly verb: string;
  readonly subject: string;
  /** No line of its own: for what happens every second and records what matters in it itself. */
  readonly silent?: true;
}

export interface Turn {
  readonly db: Db;
  readonly at: string;
  /** Who acts; for provenance. */
  readonly by: string;
  /** Goes out after the commit, and not at all when the change is taken back. */
  announce(announcement: Announcement): void;
  /** Adds a line to the audit log beside the act's own. */
  record(verb: string, subject: string, detail: string): Promise<void>;
  /** What the act's own line in the audit log will say it did. */
  detail(text: string): void;
}

type ChangeDesk = Pick<Desk, 'store' | 'clock' | 'log' | 'announcements'>;

export async function change<T>(
  desk: ChangeDesk,
  act: Act,
  work: (turn: Turn) => Promise<Result<T>>,
): Promise<Result<T>> {
  const announcements: Announcement[] = [];
  const at = isoTime(desk.clock.now());
  const done = await desk.store.write(async (db) => {
    let detail = '';
    const result = await work({
      db,
      at,
      by: act.by,
      announce: (announcement) => void announcements.push(announcement),
      record: async (verb, subject, text) =>
        await appendAudit(db, { at, by: act.by, verb, subject, outcome: 'done', detail: text }),
      detail: (text) => void (detail = text),
    });
    if (result.ok && act.silent !== true) await write(db, at, act, 'done', detail);
    return result;
  });
  if (done.ok) for (const announcement of announcements) desk.announcements.publish(announcement);
  else if (act.silent !== true) await record(desk, act, 'failed', sayProblem(done.error));
  return done;
}

/** For acts that reach outside the database: one line before, one after. */
export async function record(
  desk: ChangeDesk,
  act: Act,
  outcome: 'begun' | 'done' | 'failed',
  detail: string,
): Promise<Result<null>> {
  const at = isoTime(desk.clock.now());
  const written = await desk.store.write(async (db) => {
    await write(db, at, act, outcome, detail);
    return ok(null);
  });
  if (!written.ok) desk.log.error('the audit log cannot be written', { verb: act.verb, cause: written.error.message });
  return written;
}

async function write(db: Db, at: string, act: Act, outcome: AuditEntry['outcome'], detail: string): Promise<void> {
  const { by, verb, subject } = act;
  await appendAudit(db, { at, by, verb, subject, outcome, detail });
}
