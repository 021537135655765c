// The way to the manager of a state directory, or in one sentence why there is none.
import { problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import { connect, type Client, type Connection } from '../client/connect.ts';
import { readConnection } from '../client/state-directory.ts';

export interface ConnectOptions {
  /** Who acts, for the audit log. */
  readonly by: string;
  readonly timeoutMs?: number;
}

export async function connectManager(stateDir: string, options: ConnectOptions): Promise<Result<Client>> {
  const connection = await findManager(stateDir);
  return connection.ok ? ok(connect({ ...connection.value, ...options })) : connection;
}

/** The link that opens the console; it holds the token. */
export async function consoleLink(stateDir: string): Promise<Result<string>> {
  const connection = await findManager(stateDir);
  return connection.ok ? ok(linkOf(connection.value)) : connection;
}

export function linkOf({ address, token }: Pick<Connection, 'address' | 'token'>): string {
  return `${address}/?token=${encodeURIComponent(token)}`;
}

async function findManager(stateDir: string): Promise<Result<Connection>> {
  const connection = await readConnection(stateDir);
  if (connection.ok || connection.error.kind !== 'not-found') return connection;
  return fail(
    problem(
      'failed',
      `No manager runs with the state directory ${stateDir}.`,
      'Start it with `plumbline up`, or name the state directory of the one that runs with --state.',
    ),
  );
}
