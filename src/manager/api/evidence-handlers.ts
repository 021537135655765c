// What the endpoints about evidence do.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { EvidenceView } from '../../model/evidence.ts';
import { change } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { previewIndex } from '../evidence/bundle.ts';
import { gather } from '../evidence/gather.ts';
import { viewEvidence } from '../evidence/kept-for.ts';
import { findSubject, type SubjectKind } from '../evidence/subject.ts';
import { dropHold, listEvidence, listHolds, saveHold } from '../store/evidence.ts';
import type { Page } from '../store/paging.ts';
import type { Db } from '../store/tables.ts';
import type { Handlers } from './handlers.ts';

type EvidenceHandlers = Pick<
  Handlers,
  'listEvidence' | 'listEvidenceHolds' | 'getEvidenceIndex' | 'holdEvidence' | 'unholdEvidence'
>;

const pageDefault = 100;
const any: readonly SubjectKind[] = ['alarm', 'plan', 'item', 'vm'];

/** `retained` = what must be kept has changed. */
export function evidenceHandlers(desk: Desk, retained: () => void): EvidenceHandlers {
  return {
    listEvidence: async ({ of, limit = pageDefault, ...rest }) => {
      const read = await desk.store.read(async (db) => await list(db, of, { ...rest, limit }));
      return read.ok ? read.value : read;
    },
    listEvidenceHolds: async () => await desk.store.read(listHolds),
    getEvidenceIndex: async ({ subject }, by) => await previewIndex(desk, subject, by),
    holdEvidence: async ({ subject: reference }, by) => {
      const held = await change(desk, { by, verb: 'evidence.hold', subject: reference }, async (turn) => {
        const subject = await findSubject(turn.db, reference, any);
        if (!subject.ok) return subject;
        const hold = { subject: subject.value.id, by, at: turn.at };
        await saveHold(turn.db, hold);
        turn.detail(`${subject.value.kind} ${hold.subject}`);
        return ok(hold);
      });
      if (held.ok) retained();
      return held;
    },
    unholdEvidence: async ({ subject: reference }, by) => {
      const dropped = await change(desk, { by, verb: 'evidence.unhold', subject: reference }, async (turn) => {
        // What is gone from the store may be held still, by its whole id.
        const subject = await findSubject(turn.db, reference, any);
        const hold = await dropHold(turn.db, subject.ok ? subject.value.id : reference);
        if (hold === null) return fail(problem('not-found', `Nothing is held as ${reference}.`));
        turn.detail(`${hold.subject}, held by ${hold.by} since ${hold.at}`);
        return ok(hold);
      });
      if (dropped.ok) retained();
      return dropped;
    },
  };
}

async function list(
  db: Db,
  of: string | undefined,
  page: { readonly limit: number; readonly after?: string },
): Promise<Result<Page<EvidenceView>>> {
  const filter = of === undefined ? ok({}) : await filterFor(db, of);
  if (!filter.ok) return filter;
  const found = await listEvidence(db, { ...filter.value, ...page });
  return ok({ ...found, items: await viewEvidence(db, found.items) });
}

async function filterFor(db: Db, of: string): Promise<Result<{ vm: string } | { ids: readonly string[] }>> {
  const subject = await findSubject(db, of, any);
  if (!subject.ok) return subject;
  const { kind, id } = subject.value;
  if (kind === 'vm') return ok({ vm: id });
  if (kind === 'item') return ok({ ids: [id] });
  const gathered = await gather(db, id);
  return gathered.ok ? ok({ ids: gathered.value.items.map(({ item }) => item.id) }) : gathered;
}
