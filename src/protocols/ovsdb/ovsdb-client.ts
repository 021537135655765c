// Open vSwitch's database over its unix socket: JSON-RPC 1.0 as RFC 7047 has it. Asks, changes in transactions, and hears of changes.
import { createConnection, type Socket } from 'node:net';
import type { Json } from '../../kit/canonical-json.ts';
import { asList, asObject, asText, type JsonObject } from '../../kit/json-object.ts';
import { type Problem, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { jsonFrames } from './json-frames.ts';

export interface OvsdbClient {
  /** All operations or none (RFC 7047, 5.2); answers what each of them said. */
  transact(operations: readonly Json[]): Promise<Result<readonly JsonObject[]>>;
  /** Calls `changed` on every change of these columns from now on; the first is what is there now. */
  monitor(tables: Readonly<Record<string, readonly string[]>>, changed: () => void): Promise<Result<void>>;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;
  close(): void;
}

const database = 'Open_vSwitch';
const messageMax = 64 * 1024 * 1024;
const patienceMs = 5000;
const resultsMax = 100_000;

/** `path`: the database's unix socket. */
export async function openOvsdb(path: string): Promise<Result<OvsdbClient>> {
  const socket = createConnection(path);
  const { promise, resolve } = Promise.withResolvers<Problem | null>();
  socket.once('connect', () => resolve(null));
  socket.once('error', (error) => {
    const mend = 'Is Open vSwitch running, and is this its database?';
    resolve(problem('not-found', `Open vSwitch's database at ${path} cannot be reached: ${error.message}.`, mend));
  });
  const fault = await promise;
  return fault === null ? ok(new Connection(socket)) : fail(fault);
}

class Connection implements OvsdbClient {
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (answer: Result<Json>) => void>();
  #lastId = 0;
  #changed: (() => void) | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    const frames = jsonFrames(messageMax);
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      const texts = frames.take(chunk);
      if (texts === null) return this.close();
      for (const text of texts) this.#take(text);
    });
    // What went wrong is told to whoever waits, when it has closed.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      for (const settle of this.#waiting.values()) settle(fail(ended));
      this.#waiting.clear();
      resolve();
    });
  }

  async transact(operations: readonly Json[]): Promise<Result<readonly JsonObject[]>> {
    const answer = await this.#call('transact', [database, ...operations]);
    if (!answer.ok) return answer;
    const results = asList(answer.value, resultsMax).map((result) => asObject(result) ?? {});
    // An operation that failed says why in its place; one that failed at the commit, in one place more.
    const refused = results.find((result) => typeof result['error'] === 'string');
    if (refused === undefined) return ok(results);
    const said = [asText(refused['error']), asText(refused['details'])].filter((text) => text !== null).join(': ');
    return fail(problem('failed', `Open vSwitch's database refused a change: ${said.slice(0, 500)}.`));
  }

  async monitor(tables: Readonly<Record<string, readonly string[]>>, changed: () => void): Promise<Result<void>> {
    this.#changed = changed;
    const asked = Object.fromEntries(Object.entries(tables).map(([table, columns]) => [table, { columns }]));
    const answer = await this.#call('monitor', [database, null, asked]);
    return answer.ok ? ok(undefined) : answer;
  }

  close(): void {
    this.#socket.destroy();
  }

  #call(method: string, params: readonly Json[]): Promise<Result<Json>> {
    if (this.#socket.destroyed) return Promise.resolve(fail(ended));
    const id = (this.#lastId += 1);
    const { promise, resolve } = Promise.withResolvers<Result<Json>>();
    const late = setTimeout(() => {
      this.#waiting.delete(id);
      resolve(fail(problem('failed', `Open vSwitch's database did not answer within ${patienceMs} ms.`)));
    }, patienceMs);
    this.#waiting.set(id, (answer) => {
      clearTimeout(late);
      resolve(answer);
    });
    this.#socket.write(JSON.stringify({ method, params, id }));
    return promise;
  }

  #take(text: string): void {
    let message: JsonObject | null = null;
    try {
      message = asObject(JSON.parse(text) as Json);
    } catch {
      return this.close();
    }
    const method = message?.['method'];
    if (method === 'echo')
      this.#socket.write(JSON.stringify({ result: message?.['params'], error: null, id: message?.['id'] }));
    if (method === 'update') this.#changed?.();
    if (method !== undefined) return;
    const id = message?.['id'];
    const settle = typeof id === 'number' ? this.#waiting.get(id) : undefined;
    if (typeof id !== 'number' || settle === undefined) return;
    this.#waiting.delete(id);
    const error = message?.['error'] ?? null;
    if (error === null) settle(ok(message?.['result'] ?? null));
    else settle(fail(problem('failed', `Open vSwitch's database refused: ${JSON.stringify(error).slice(0, 500)}.`)));
  }
}

const ended = problem('failed', "Open vSwitch's database has closed the connection.");
