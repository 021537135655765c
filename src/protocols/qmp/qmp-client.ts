// QMP over QEMU's own unix socket: newline-delimited JSON, a greeting first, one client at a time.
// Source: docs/interop/qmp-spec.rst in QEMU.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { Json } from '../../kit/canonical-json.ts';
import { causeOf, problem } from '../../kit/problem.ts';
import type { Problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { monitorProblem } from './monitor.ts';
import type { ExecuteOptions, Monitor, MonitorArguments, MonitorEvent, MonitorProblem } from './monitor.ts';

export interface QmpOptions {
  /** How long QEMU may take to greet. Default 2000: a free socket answers within milliseconds. */
  readonly greetingMs?: number;
}

const greetingMsDefault = 2_000;
const commandMsDefault = 10_000;
/** One message; `info mtree -f` of a very large machine stays far below it. */
const messageBytesMax = 16 * 1024 * 1024;
const commandsInFlightMax = 64;

type Answer = Result<Json, MonitorProblem>;
type Message = { readonly [key: string]: Json | undefined };

/** Connects, waits for the greeting and leaves negotiation mode; problems say whether the socket is missing, closed to us or taken. */
export async function openQmp(path: string, options: QmpOptions = {}): Promise<Result<Monitor, MonitorProblem>> {
  const connected = await connectTo(path);
  if (!connected.ok) return fail(monitorProblem(connected.error));
  const client = new QmpClient(connected.value, path);
  const greeted = await client.greeting(options.greetingMs ?? greetingMsDefault);
  if (!greeted.ok) {
    client.close();
    return greeted;
  }
  const ready = await client.execute('qmp_capabilities');
  if (ready.ok) return ok(client);
  client.close();
  return ready;
}

function connectTo(path: string): Promise<Result<Socket>> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(ok(socket));
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(fail(connectProblem(path, error)));
    });
  });
}

function taken(path: string): Problem {
  const message = `The QMP socket ${path} is in use by someone else, or QEMU is too busy: it serves one client at a time and did not greet.`;
  return problem('refused', message, 'Close the other client, or give the guest a second -qmp socket.');
}

function connectProblem(path: string, error: NodeJS.ErrnoException): Problem {
  if (error.code === 'ENOENT') {
    return problem('not-found', `There is no QMP socket at ${path}.`, 'Check that the guest still runs.');
  }
  // QEMU accepts nobody while it has a client, and its queue of waiting ones is short.
  if (error.code === 'EAGAIN') return taken(path);
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return problem('refused', `May not open the QMP socket ${path}.`, 'Run as root or as the user QEMU runs as.');
  }
  if (error.code === 'ECONNREFUSED') {
    return problem('not-found', `Nobody listens at the QMP socket ${path}.`, 'Check that the guest still runs.');
  }
  return problem('failed', `Could not connect to the QMP socket ${path}: ${causeOf(error)}.`);
}

class QmpClient implements Monitor {
  readonly closed: Promise<MonitorProblem | null>;
  readonly #path: string;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #listeners = new Set<(event: MonitorEvent) => void>();
  readonly #settleClosed: (reason: MonitorProblem | null) => void;
  #pieces: Buffer[] = [];
  #piecesBytes = 0;
  #lastId = 0;
  #end: MonitorProblem | 'closed' | null = null;
  #onGreeting: ((answer: Answer) => void) | null = null;

  constructor(socket: Socket, path: string) {
    this.#path = path;
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<MonitorProblem | null>();
    this.closed = promise;
    this.#settleClosed = resolve;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#finish(this.#broken(causeOf(error))));
    socket.on('close', () => this.#finish(this.#broken('QEMU closed it')));
  }

  greeting(withinMs: number): Promise<Answer> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#onGreeting = null;
        resolve(fail(monitorProblem(taken(this.#path))));
      }, withinMs);
      this.#onGreeting = (answer) => {
        clearTimeout(timer);
        this.#onGreeting = null;
        resolve(answer);
      };
    });
  }

  execute(command: string, args: MonitorArguments = {}, options: ExecuteOptions = {}): Promise<Answer> {
    if (this.#end !== null) return Promise.resolve(fail(this.#endProblem()));
    if (this.#waiting.size >= commandsInFlightMax) {
      const busy = problem('failed', `${commandsInFlightMax} QMP commands already wait for QEMU at ${this.#path}.`);
      return Promise.resolve(fail(monitorProblem(busy)));
    }
    const timeoutMs = options.timeoutMs ?? commandMsDefault;
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        const late = problem(
          'failed',
          `QEMU did not answer ${command} within ${timeoutMs} ms.`,
          'Check that the host is not overloaded.',
        );
        resolve(fail(monitorProblem(late)));
      }, timeoutMs);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });
  }

  async hmp(line: string, options: ExecuteOptions = {}): Promise<Result<string, MonitorProblem>> {
    const answer = await this.execute('human-monitor-command', { 'command-line': line }, options);
    if (!answer.ok) return answer;
    return ok(typeof answer.value === 'string' ? answer.value : '');
  }

  subscribe(listener: (event: MonitorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#finish('closed');
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    for (;;) {
      const newline = rest.indexOf(10);
      if (newline < 0) break;
      const line = Buffer.concat([...this.#pieces, rest.subarray(0, newline)]);
      this.#pieces = [];
      this.#piecesBytes = 0;
      rest = rest.subarray(newline + 1);
      this.#read(line.toString('utf8').trim());
    }
    if (rest.length === 0 || this.#end !== null) return;
    this.#pieces.push(rest);
    this.#piecesBytes += rest.length;
    if (this.#piecesBytes > messageBytesMax) {
      this.#finish(this.#broken(`a message was longer than ${messageBytesMax} bytes`));
    }
  }

  #read(line: string): void {
    if (line === '' || this.#end !== null) return;
    const message = parseMessage(line);
    if (message === null) {
      this.#finish(this.#broken('it does not speak QMP'));
      return;
    }
    if (message['QMP'] !== undefined) this.#onGreeting?.(ok(message['QMP']));
    else if (typeof message['event'] === 'string') this.#tell(toEvent(message['event'], message));
    else this.#answer(message);
  }

  #answer(message: Message): void {
    const id = message['id'];
    if (typeof id !== 'number') return;
    // An answer nobody waits for belongs to a command that was given up.
    const settle = this.#waiting.get(id);
    this.#waiting.delete(id);
    const error = asMessage(message['error']);
    if (error === null) settle?.(ok(message['return'] ?? null));
    else settle?.(fail(refusal(error)));
  }

  #tell(event: MonitorEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #broken(why: string): MonitorProblem {
    return monitorProblem(
      problem('failed', `The QMP connection to ${this.#path} ended: ${why}.`, 'Check that the guest still runs.'),
    );
  }

  #endProblem(): MonitorProblem {
    if (this.#end !== null && this.#end !== 'closed') return this.#end;
    return monitorProblem(problem('failed', `The QMP connection to ${this.#path} was closed.`));
  }

  #finish(end: MonitorProblem | 'closed'): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#socket.destroy();
    this.#pieces = [];
    const reason = this.#endProblem();
    this.#onGreeting?.(fail(reason));
    for (const settle of this.#waiting.values()) settle(fail(reason));
    this.#waiting.clear();
    this.#listeners.clear();
    this.#settleClosed(end === 'closed' ? null : end);
  }
}

function parseMessage(line: string): Message | null {
  try {
    return asMessage(JSON.parse(line) as Json);
  } catch {
    return null;
  }
}

function asMessage(value: Json | undefined): Message | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Message) : null;
}

function refusal(error: Message): MonitorProblem {
  const said = typeof error['desc'] === 'string' ? error['desc'] : 'no reason given';
  const qemuClass = typeof error['class'] === 'string' ? error['class'] : null;
  return monitorProblem(problem('failed', `QEMU refused: ${said}`), qemuClass);
}

/** Reads a QMP event as QEMU or libvirt writes it; times are seconds and microseconds. */
function toEvent(name: string, message: Message): MonitorEvent {
  const stamp = asMessage(message['timestamp']);
  const seconds = typeof stamp?.['seconds'] === 'number' ? stamp['seconds'] : 0;
  const micros = typeof stamp?.['microseconds'] === 'number' ? stamp['microseconds'] : 0;
  return { name, data: asMessage(message['data']) ?? {}, atMs: seconds * 1000 + micros / 1000 };
}
