// Finds what a person meant by an id, the beginning of one, or a VM's name: an alarm, a plan, an item or a VM.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { findVm } from '../intent/references.ts';
import type { Db } from '../store/tables.ts';

export type SubjectKind = 'alarm' | 'plan' | 'item' | 'vm';

export interface Subject {
  readonly kind: SubjectKind;
  readonly id: string;
}

const tables = { alarm: 'alarms', plan: 'plans', item: 'evidence' } as const;
/** Shorter beginnings say too little. */
const beginningMin = 4;
const shown = 5;

export async function findSubject(db: Db, reference: string, kinds: readonly SubjectKind[]): Promise<Result<Subject>> {
  for (const kind of kinds) {
    if (kind === 'vm') continue;
    const row = await db.selectFrom(tables[kind]).select('id').where('id', '=', reference).executeTakeFirst();
    if (row !== undefined) return ok({ kind, id: row.id });
  }
  if (kinds.includes('vm')) {
    const vm = await findVm(db, reference);
    if (!vm.ok) return vm;
    if (vm.value !== null) return ok({ kind: 'vm', id: vm.value.id });
  }
  const begun = await beginningWith(db, reference, kinds);
  const [first, ...more] = begun;
  if (first === undefined)
    return fail(
      problem(
        'not-found',
        `There is no ${sayKinds(kinds)} ${reference}.`,
        'See `plumbline alarms`, `plumbline plans` and `plumbline evidence`.',
      ),
    );
  if (more.length === 0) return ok(first);
  const some = begun.slice(0, shown).map(({ kind, id }) => `${kind} ${id}`);
  return fail(
    problem('usage', `More than one id begins with ${reference}: ${some.join(', ')}.`, 'Write more of the id.'),
  );
}

async function beginningWith(db: Db, reference: string, kinds: readonly SubjectKind[]): Promise<Subject[]> {
  if (!/^[A-Za-z0-9_-]+$/.test(reference) || reference.length < beginningMin) return [];
  const found: Subject[] = [];
  for (const kind of kinds) {
    if (kind === 'vm') continue;
    const rows = await db
      .selectFrom(tables[kind])
      .select('id')
      .where('id', '>=', reference)
      .where('id', '<', `${reference}~`)
      .limit(shown)
      .execute();
    found.push(...rows.map(({ id }) => ({ kind, id })));
  }
  return found;
}

function sayKinds(kinds: readonly SubjectKind[]): string {
  const names = kinds.map((kind) => (kind === 'vm' ? 'VM' : kind));
  return names.length === 1 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}
