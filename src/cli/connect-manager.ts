// The way to the manager of a state directory, or in one sentence why there is none.
import { problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import { connect, type Client } from '../client/connect.ts';
import { readConnection } from '../client/state-directory.ts';

export async function connectManager(
  stateDir: string,
  { by, timeoutMs }: { readonly by: string; readonly timeoutMs?: number },
): Promise<Result<Client>> {
  const connection = await readConnection(stateDir);
  if (connection.ok) return ok(connect({ ...connection.value, by, ...(timeoutMs === undefined ? {} : { timeoutMs }) }));
  if (connection.error.kind !== 'not-found') return connection;
  return fail(
    problem(
      'failed',
      `No manager runs with the state directory ${stateDir}.`,
      'Start it with `plumbline up`, or name the state directory of the one that runs with --state.',
    ),
  );
}
