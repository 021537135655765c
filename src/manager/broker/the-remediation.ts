// One remediation by its id.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Remediation } from '../../model/remediation.ts';
import type { Desk } from '../desk.ts';
import { remediationById } from '../store/remediations.ts';

export async function theRemediation(desk: Pick<Desk, 'store'>, id: string): Promise<Result<Remediation>> {
  const read = await desk.store.read(async (db) => await remediationById(db, id));
  if (!read.ok) return read;
  return read.value === null
    ? fail(problem('not-found', `There is no remediation ${id}.`, 'See `plumbline remediations`.'))
    : ok(read.value);
}
