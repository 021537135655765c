// libvirt's remote procedure calls over its unix socket: framing, matching answers to calls, events, keep-alive.
// Knows numbers, not their meaning. Source: src/rpc/virnetprotocol.x and virkeepaliveprotocol.x in libvirt.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { causeOf, problem } from '../../kit/problem.ts';
import type { Problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { XdrReader, XdrWriter } from '../xdr/xdr.ts';

/** A refusal by libvirt carries its number (virErrorNumber); other failures null. */
export interface LibvirtProblem extends Problem {
  readonly code: number | null;
}

export interface Procedure {
  readonly program: number;
  readonly number: number;
}

export type EventListener = (program: number, procedure: number, body: XdrReader) => void;

const headerBytes = 28;
const lengthBytes = 4;
const version = 1;
const type = { call: 0, reply: 1, event: 2 } as const;
const statusOk = 0;
/** libvirt's own limit on a message (VIR_NET_MESSAGE_MAX). */
const messageBytesMax = 33_554_432;
const callsInFlightMax = 64;
const callMsDefault = 30_000;
const keepAlive = { program: 0x6b656570, ping: 1, pong: 2 } as const;

export function libvirtProblem(base: Problem, code: number | null = null): LibvirtProblem {
  return { ...base, code };
}

/** Of an answer that does not hold what it should. */
export function garbled(): Result<never, LibvirtProblem> {
  const mend = 'Its protocol may have changed: please report its version.';
  return fail(libvirtProblem(problem('unreadable', 'libvirt’s answer could not be understood.', mend)));
}

export function connectRpc(path: string): Promise<Result<RpcConnection, LibvirtProblem>> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(ok(new RpcConnection(socket, path)));
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(fail(libvirtProblem(connectProblem(path, error)))));
  });
}

function connectProblem(path: string, error: NodeJS.ErrnoException): Problem {
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
    return problem('not-found', `libvirt does not answer at ${path}.`, 'Start libvirtd or virtqemud.');
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return problem('refused', `May not open libvirt’s socket ${path}.`, 'Run as root or join the group libvirt.');
  }
  return problem('failed', `Could not connect to libvirt at ${path}: ${causeOf(error)}.`);
}

export class RpcConnection {
  /** Settles when the connection has ended; null when we closed it. */
  readonly closed: Promise<LibvirtProblem | null>;
  readonly #socket: Socket;
  readonly #path: string;
  readonly #waiting = new Map<number, (answer: Result<XdrReader, LibvirtProblem>) => void>();
  readonly #listeners = new Set<EventListener>();
  readonly #settleClosed: (reason: LibvirtProblem | null) => void;
  #received: Buffer[] = [];
  #receivedBytes = 0;
  #awaitedBytes = lengthBytes;
  #serial = 0;
  #end: LibvirtProblem | 'closed' | null = null;

  constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    const { promise, resolve } = Promise.withResolvers<LibvirtProblem | null>();
    this.closed = promise;
    this.#settleClosed = resolve;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#finish(this.#broken(causeOf(error))));
    socket.on('close', () => this.#finish(this.#broken('libvirt closed it')));
  }

  call(procedure: Procedure, body: Buffer, timeoutMs = callMsDefault): Promise<Result<XdrReader, LibvirtProblem>> {
    if (this.#end !== null) return Promise.resolve(fail(this.#endProblem()));
    if (this.#waiting.size >= callsInFlightMax) {
      return Promise.resolve(
        fail(libvirtProblem(problem('failed', `${callsInFlightMax} calls already wait for libvirt.`))),
      );
    }
    this.#serial = (this.#serial + 1) >>> 0;
    const serial = this.#serial;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(serial);
        const late = problem(
          'failed',
          `libvirt did not answer within ${timeoutMs} ms.`,
          'Check that the host is not overloaded.',
        );
        resolve(fail(libvirtProblem(late)));
      }, timeoutMs);
      this.#waiting.set(serial, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.#send(procedure.program, procedure.number, type.call, serial, body);
    });
  }

  /** Calls `listener` for each event message; the reader is positioned at its body. */
  subscribe(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#finish('closed');
  }

  #send(program: number, procedure: number, kind: number, serial: number, body: Buffer): void {
    const header = new XdrWriter()
      .u32(headerBytes + body.length)
      .u32(program)
      .u32(version)
      .u32(procedure);
    this.#socket.write(Buffer.concat([header.u32(kind).u32(serial).u32(statusOk).bytes(), body]));
  }

  /** Pieces are put together only once the message they belong to is whole. */
  #take(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#receivedBytes += chunk.length;
    while (this.#receivedBytes >= this.#awaitedBytes && this.#end === null) {
      const all = Buffer.concat(this.#received, this.#receivedBytes);
      const length = all.readUInt32BE(0);
      if (length < headerBytes || length > messageBytesMax) {
        this.#finish(this.#broken(`it sent a message of ${length} bytes`));
        return;
      }
      const whole = all.length >= length;
      this.#received = [whole ? all.subarray(length) : all];
      this.#receivedBytes = whole ? all.length - length : all.length;
      this.#awaitedBytes = whole ? lengthBytes : length;
      if (whole) this.#read(new XdrReader(all.subarray(lengthBytes, length)));
    }
  }

  #read(message: XdrReader): void {
    const program = message.u32();
    message.u32();
    const procedure = message.u32();
    const kind = message.u32();
    const serial = message.u32();
    const status = message.u32();
    if (program === keepAlive.program) {
      if (procedure === keepAlive.ping) this.#send(program, keepAlive.pong, type.event, 0, Buffer.alloc(0));
      return;
    }
    if (kind === type.event) {
      for (const listener of this.#listeners) listener(program, procedure, message);
      return;
    }
    // An answer nobody waits for belongs to a call that was given up.
    const settle = this.#waiting.get(serial);
    this.#waiting.delete(serial);
    settle?.(status === statusOk ? ok(message) : fail(refusal(message)));
  }

  #broken(why: string): LibvirtProblem {
    return libvirtProblem(
      problem('failed', `The connection to libvirt at ${this.#path} ended: ${why}.`, 'Check that libvirt still runs.'),
    );
  }

  #endProblem(): LibvirtProblem {
    if (this.#end !== null && this.#end !== 'closed') return this.#end;
    return libvirtProblem(problem('failed', 'The connection to libvirt was closed.'));
  }

  #finish(end: LibvirtProblem | 'closed'): void {
    if (this.#end !== null) return;
    this.#end = end;
    this.#socket.destroy();
    this.#received = [];
    const reason = this.#endProblem();
    for (const settle of this.#waiting.values()) settle(fail(reason));
    this.#waiting.clear();
    this.#listeners.clear();
    this.#settleClosed(end === 'closed' ? null : end);
  }
}

function refusal(body: XdrReader): LibvirtProblem {
  const code = body.i32();
  body.i32();
  const said = body.optionalText() ?? 'no reason given';
  return libvirtProblem(problem('failed', `libvirt refused: ${said}`), code);
}
