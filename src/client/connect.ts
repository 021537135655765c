// The manager's API as typed functions, one for each row of the endpoint table. Answers are values: a refused, broken or
// silent manager is a Problem, never an exception.
import { problem, type Problem, type ProblemKind } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type { Announcement } from '../model/announcement.ts';
import { apiPrefix, type Call, type Endpoint } from '../model/endpoint.ts';
import { evidenceBundlePath, evidenceBundleType } from '../model/evidence-endpoints.ts';
import { endpoints, eventsPath, type EndpointName, type Endpoints } from '../model/endpoints.ts';
import { readEvents } from './read-events.ts';

export interface Connection {
  /** `http://127.0.0.1:7420` */
  readonly address: string;
  readonly token: string;
  /** Who acts, for the audit log; the API takes it as a claim. */
  readonly by?: string;
  /** How long one call may take. Default 30 s. */
  readonly timeoutMs?: number;
}

export type Client = { readonly [K in EndpointName]: Call<Endpoints[K]> } & {
  /** What changes, as it changes, until `signal` ends it. A broken line ends the iteration with a Problem. */
  events(signal?: AbortSignal): AsyncGenerator<Result<Announcement>, void>;
  /** A bundle of evidence, piece by piece as it is made. One that ends before its time throws. */
  downloadEvidence(subject: string, signal?: AbortSignal): Promise<Result<AsyncIterable<Uint8Array>>>;
};

type Fields = Readonly<Record<string, unknown>>;

/** Longer than a manager waits for a sentinel that does not answer, all its tries together. */
const silenceMsMax = 180_000;

export function connect(connection: Connection): Client {
  const calls = Object.fromEntries(
    Object.entries(endpoints).map(([name, endpoint]) => [
      name,
      async (input: Fields = {}) => await call(connection, endpoint, input),
    ]),
  );
  // The table's rows and the functions made from them are one for one; TypeScript cannot follow that through fromEntries.
  return {
    ...calls,
    events: (signal?: AbortSignal) => events(connection, signal),
    downloadEvidence: async (subject: string, signal?: AbortSignal) => await download(connection, subject, signal),
  } as unknown as Client;
}

async function call(connection: Connection, endpoint: Endpoint, input: Fields): Promise<Result<unknown>> {
  const { url, body } = place(connection.address, endpoint, input);
  const sent = await send(connection, url, {
    method: endpoint.method,
    signal: AbortSignal.timeout(connection.timeoutMs ?? 30_000),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: headersOf(connection, body !== undefined),
  });
  if (!sent.ok) return sent;
  try {
    return ok(await sent.value.json());
  } catch {
    return fail(problem('unreadable', `The manager at ${connection.address} did not answer in JSON.`));
  }
}

/** Each field goes where its endpoint wants it: path, query or body. */
function place(address: string, endpoint: Endpoint, input: Fields): { url: string; body: Fields | undefined } {
  const path = endpoint.path.replace(/:(\w+)/g, (_, key: string) => encodeURIComponent(textOf(input[key])));
  const query = new URLSearchParams(
    Object.keys(endpoint.query?.properties ?? {}).flatMap((key) =>
      input[key] === undefined ? [] : [[key, textOf(input[key])] satisfies [string, string]],
    ),
  );
  const body =
    endpoint.body === undefined
      ? undefined
      : Object.fromEntries(
          Object.keys(endpoint.body.properties).flatMap((key) => (input[key] === undefined ? [] : [[key, input[key]]])),
        );
  const search = query.size === 0 ? '' : `?${query.toString()}`;
  return { url: `${address}${apiPrefix}${path}${search}`, body };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function headersOf(connection: Connection, withBody: boolean): Record<string, string> {
  return {
    authorization: `Bearer ${connection.token}`,
    ...(withBody ? { 'content-type': 'application/json' } : {}),
    ...(connection.by === undefined ? {} : { 'plumbline-by': encodeURIComponent(connection.by) }),
  };
}

async function send(connection: Connection, url: string, init: RequestInit): Promise<Result<Response>> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, redirect: 'error' });
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'TimeoutError')
      return fail(problem('interrupted', `The manager at ${connection.address} did not answer in time.`));
    return fail(
      problem(
        'failed',
        `No manager answers at ${connection.address}.`,
        'Start it with `plumbline up`, or name the state directory of the one that runs.',
      ),
    );
  }
  return response.ok ? ok(response) : fail(await problemOf(response, connection.address));
}

async function problemOf(response: Response, address: string): Promise<Problem> {
  try {
    const body = (await response.json()) as { kind?: ProblemKind; message?: unknown; mend?: unknown };
    if (body.kind !== undefined && typeof body.message === 'string')
      return problem(body.kind, body.message, typeof body.mend === 'string' ? body.mend : undefined);
  } catch {
    // Not JSON: something other than a manager answers there.
  }
  return problem('unreadable', `What answers at ${address} (HTTP ${response.status}) is not a Plumbline manager.`);
}

/** However long all of it takes; only silence ends it. */
async function download(
  connection: Connection,
  subject: string,
  signal: AbortSignal | undefined,
): Promise<Result<AsyncIterable<Uint8Array>>> {
  const quiet = new AbortController();
  const timer = setTimeout(() => quiet.abort(), silenceMsMax).unref();
  const path = evidenceBundlePath.replace(':subject', encodeURIComponent(subject));
  const sent = await send(connection, `${connection.address}${apiPrefix}${path}`, {
    headers: { ...headersOf(connection, false), accept: evidenceBundleType },
    signal: signal === undefined ? quiet.signal : AbortSignal.any([signal, quiet.signal]),
  });
  const body = sent.ok ? sent.value.body : null;
  if (!sent.ok || body === null) clearTimeout(timer);
  if (!sent.ok) return sent;
  if (body === null) return fail(problem('unreadable', `The manager at ${connection.address} sent no bundle.`));
  return ok(untilSilent(body, timer));
}

async function* untilSilent(body: ReadableStream<Uint8Array>, timer: NodeJS.Timeout): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const chunk of body) {
      timer.refresh();
      yield chunk;
    }
  } finally {
    clearTimeout(timer);
  }
}

async function* events(connection: Connection, signal?: AbortSignal): AsyncGenerator<Result<Announcement>, void> {
  const sent = await send(connection, `${connection.address}${apiPrefix}${eventsPath}`, {
    headers: { ...headersOf(connection, false), accept: 'text/event-stream' },
    signal: signal ?? null,
  });
  if (!sent.ok) {
    if (signal?.aborted !== true) yield sent;
    return;
  }
  if (sent.value.body === null) return;
  try {
    for await (const data of readEvents(sent.value.body)) yield ok(JSON.parse(data) as Announcement);
  } catch {
    if (signal?.aborted === true) return;
  }
  if (signal?.aborted !== true) yield fail(problem('interrupted', 'The line to the manager broke.', 'Connect again.'));
}
