// Does a change for its answer only: the same code runs in a transaction that is taken back, so that a preview cannot promise
// what the change would not do. Nothing is announced and nothing goes into the audit log.
import { isoTime } from '../../kit/clock.ts';
import { problem } from '../../kit/problem.ts';
import { fail, type Result } from '../../kit/result.ts';
import type { Act, Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';

export async function preview<T>(desk: Desk, act: Act, work: (turn: Turn) => Promise<Result<T>>): Promise<Result<T>> {
  let answer: Result<T> | null = null;
  const takenBack = await desk.store.write<never>(async (db) => {
    answer = await work({
      db,
      at: isoTime(desk.clock.now()),
      by: act.by,
      announce: () => undefined,
      record: async () => {},
      detail: () => undefined,
    });
    return fail(problem('interrupted', 'A preview is taken back.'));
  });
  return answer ?? takenBack;
}
