// A client of QEMU's gdb stub on a unix socket. Not a general one: it knows how QEMU's differs.
//
// QEMU (observed on 7.2): connecting pauses the machine, and QEMU then says so unasked. It waits for no acknowledgement once
// the next packet begins, so none is ever sent; it acknowledges every packet of ours, but for one whose first byte was swallowed:
// any byte that reaches it while the machine runs pauses the machine. It answers
// `P` only after the target description was fetched. `?` removes every point and is never sent. Without `multiprocess`, a
// plain `D` detaches: it removes every point and lets the machine run.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { causeOf, problem } from '../../kit/problem.ts';
import type { Problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { acknowledgement, encodePacket, PacketReader } from './packet.ts';
import { parseStopReply } from './stop-reply.ts';
import type { StopReply } from './stop-reply.ts';

const answerMsDefault = 5_000;
/** QEMU says within milliseconds that connecting paused the machine; a machine that stood already is never reported. */
const firstStopMs = 1_000;
const commandsAtOnceMax = 4096;
const settleTriesMax = 4;
/** Lets the guest run without its points. QEMU 7.2 crashes on what follows it on the same connection. */
const detachWord = 'D';
/** Its answer is like no other's. */
const lastWord = 'vCont?';
const runOn = 'vCont;c';
/**
 * Any byte pauses a running guest and is swallowed, but for one case: while QEMU waits for an acknowledgement, as it does for its word
 * of somebody else's pause after that somebody made the guest run again, everything up to a `+` or a `$` is passed over. A `+`
 * that nobody waited for pauses by itself, and the byte after it is ignored (gdbstub.c, `gdb_read_byte`).
 */
export const interruptBytes = '+\x03';

export interface GdbOptions {
  /** How long QEMU may take to answer. Default 5000. */
  readonly answerMs?: number;
}

interface Asking {
  readonly answers: string[];
  readonly wanted: number;
  /** The last of the commands lets the guest go. */
  readonly detaches: boolean;
  readonly settle: (answers: Result<readonly string[]>) => void;
}

/** Connects, which pauses the guest. `runningBefore` false: somebody else had paused it already. */
export async function openGdb(
  path: string,
  options: GdbOptions = {},
): Promise<Result<{ readonly client: GdbClient; readonly runningBefore: boolean }>> {
  const connected = await connectTo(path);
  if (!connected.ok) return connected;
  const client = new GdbClient(connected.value, path, options.answerMs ?? answerMsDefault);
  const stop = await client.nextStop(firstStopMs);
  const described = await client.describe();
  if (described.ok) return ok({ client, runningBefore: stop !== null });
  client.destroy();
  return described;
}

function connectTo(path: string): Promise<Result<Socket>> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(ok(socket));
    });
    socket.once('error', (error) => {
      resolve(fail(problem('failed', `Could not connect to the gdb stub at ${path}: ${causeOf(error)}.`)));
    });
  });
}

export class GdbClient {
  readonly socket: Socket;
  /** Settles when the connection is gone, with the reason; null when it was ended by us. */
  readonly closed: Promise<Problem | null>;
  readonly #path: string;
  readonly #answerMs: number;
  /** One for all questions: making a timer for each would cost as much as the rest of a question. */
  readonly #patience: NodeJS.Timeout;
  readonly #reader = new PacketReader(true);
  readonly #settleClosed: (reason: Problem | null) => void;
  #asking: Asking | null = null;
  #onStop: ((stop: StopReply) => void) | null = null;
  #unheard: StopReply | null = null;
  #ended: Problem | 'by us' | null = null;
  /** Answers to what was sent along with the last `resume`. */
  #unanswered = 0;
  /** Packets that QEMU has not said to have heard. */
  #unheardPackets = 0;
  #passingOver = false;
  #detached = false;

  constructor(socket: Socket, path: string, answerMs: number = answerMsDefault) {
    this.socket = socket;
    this.#path = path;
    this.#answerMs = answerMs;
    this.#patience = setTimeout(() => {
      if (this.#asking !== null) this.#end(this.#broken('QEMU did not answer'));
    }, answerMs).unref();
    const { promise, resolve } = Promise.withResolvers<Problem | null>();
    this.closed = promise;
    this.#settleClosed = resolve;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#end(this.#broken(causeOf(error))));
    socket.on('close', () => this.#end(this.#broken('QEMU closed it')));
  }

  /** Has QEMU describe its registers, without which it sets none. For a connection that was opened by somebody else. */
  async describe(): Promise<Result<void>> {
    const described = await this.ask(['qSupported:hwbreak+', 'qXfer:features:read:target.xml:0,ffb']);
    if (!described.ok) return described;
    if ((described.value[1] ?? '') !== '') return ok(undefined);
    return fail(problem('failed', `The gdb stub at ${this.#path} does not describe its registers.`));
  }

  /** Calls `listener` at each stop from now on; one that came before is told at once. */
  onStop(listener: (stop: StopReply) => void): void {
    this.#onStop = listener;
    const stop = this.#unheard;
    this.#unheard = null;
    if (stop !== null) listener(stop);
  }

  /** The next stop, when nobody listens by `onStop`; null when none came in time. */
  nextStop(withinMs: number): Promise<StopReply | null> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(null), withinMs);
      const settle = (stop: StopReply | null): void => {
        clearTimeout(timer);
        this.#onStop = null;
        resolve(stop);
      };
      this.onStop(settle);
    });
  }

  /**
   * Sends commands together and gives their answers in order. Only while the guest stands: a byte that reaches a running one
   * pauses it. A problem when QEMU does not answer, or, of kind `interrupted`, when the guest was made to run meanwhile: it stands
   * again then, nobody else is told of that stop, and nothing of the answers holds.
   */
  ask(commands: readonly string[]): Promise<Result<readonly string[]>> {
    return new Promise((resolve) => this.askThen(commands, resolve));
  }

  /** The same without a promise: at every stop the guest stands until it is answered. `settle` may be called at once. */
  askThen(commands: readonly string[], settle: (answers: Result<readonly string[]>) => void): void {
    if (this.#ended !== null || this.#detached) return settle(fail(this.#endProblem()));
    if (this.#asking !== null || commands.length > commandsAtOnceMax)
      return settle(fail(problem('failed', `The gdb stub at ${this.#path} was asked too much at once.`)));
    if (commands.length === 0) return settle(ok([]));
    this.#asking = { answers: [], wanted: commands.length, detaches: commands.at(-1) === detachWord, settle };
    this.#patience.refresh();
    this.#write(commands);
  }

  /**
   * After a problem of kind `interrupted` or a crossed stop: passes over whatever answers are still on their way, and has the guest
   * stand. A problem of kind `interrupted` when somebody makes it run time and again.
   */
  async settleDown(): Promise<Result<readonly string[]>> {
    this.#passingOver = true;
    let settled = await this.ask([lastWord]);
    for (let tries = 1; tries < settleTriesMax && !settled.ok && settled.error.kind === 'interrupted'; tries += 1)
      settled = await this.ask([lastWord]);
    this.#passingOver = false;
    if (settled.ok) this.#unheardPackets = 0;
    return settled;
  }

  /** Lets the guest run, after `commands` whose answers nobody waits for; the next word from QEMU is a stop. */
  resume(commands: readonly string[] = []): void {
    if (!this.#mayWrite()) return;
    this.#unanswered = commands.length;
    this.#write(commands.length === 0 ? [runOn] : [...commands, runOn]);
  }

  /** Runs one vCPU for one instruction, after `commands`; the stop that ends it, or null when none came. Nobody else is told of it. */
  async step(thread: number, commands: readonly string[] = []): Promise<StopReply | null> {
    const asked = await this.ask(commands);
    if (!asked.ok) return null;
    if (!this.#mayWrite()) return null;
    const listener = this.#onStop;
    const stop = this.nextStop(this.#answerMs);
    this.#write([`vCont;s:${thread.toString(16).padStart(2, '0')}`]);
    const stopped = await stop;
    this.#onStop = listener;
    return stopped;
  }

  /** Pauses a running guest; a stop follows, this one or one that came first. Ignored by QEMU when it stands. */
  interrupt(): void {
    if (this.#mayWrite()) this.socket.write(interruptBytes);
  }

  /** Ends the connection, which by itself changes nothing in QEMU: its points stay. */
  destroy(): void {
    this.#end('by us');
  }

  /** Not once the connection has ended, nor beside or after a word that detaches. */
  #mayWrite(): boolean {
    return this.#ended === null && !this.#detached && this.#asking?.detaches !== true;
  }

  #write(commands: readonly string[]): void {
    let bytes = '';
    for (const command of commands) bytes += encodePacket(command);
    this.#unheardPackets += commands.length;
    this.socket.write(bytes, 'latin1');
  }

  #take(chunk: Buffer): void {
    for (const text of this.#reader.feed(chunk)) {
      if (this.#ended !== null) return;
      if (text === acknowledgement) {
        this.#unheardPackets = Math.max(0, this.#unheardPackets - 1);
        continue;
      }
      const stop = parseStopReply(text);
      if (stop !== null) this.#stopped(stop);
      else if (/^[WX]/.test(text)) this.#end(this.#broken('the guest has ended'));
      else this.#answer(text);
    }
  }

  #stopped(stop: StopReply): void {
    this.#unanswered = 0;
    const asking = this.#asking;
    if (asking !== null) {
      // Somebody made the guest run, and our own question paused it again: that is for whoever asked to deal with.
      this.#asking = null;
      asking.settle(fail(problem('interrupted', 'The guest was made to run while it was looked into.')));
      return;
    }
    const told: StopReply = this.#unheardPackets === 0 ? stop : { ...stop, crossed: true };
    if (this.#onStop === null) this.#unheard = told;
    else this.#onStop(told);
  }

  #answer(text: string): void {
    if (this.#unanswered > 0) {
      this.#unanswered -= 1;
      return;
    }
    const asking = this.#asking;
    if (asking === null || (this.#passingOver && !text.startsWith('vCont'))) return;
    asking.answers.push(text);
    if (asking.answers.length < asking.wanted) return;
    this.#asking = null;
    this.#detached ||= asking.detaches;
    asking.settle(ok(asking.answers));
  }

  #broken(why: string): Problem {
    return problem('failed', `The connection to the gdb stub at ${this.#path} ended: ${why}.`);
  }

  #endProblem(): Problem {
    if (this.#ended !== null && this.#ended !== 'by us') return this.#ended;
    return problem('failed', `The connection to the gdb stub at ${this.#path} was closed.`);
  }

  #end(reason: Problem | 'by us'): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    clearTimeout(this.#patience);
    this.socket.destroy();
    const asking = this.#asking;
    this.#asking = null;
    if (asking !== null) {
      asking.settle(fail(this.#endProblem()));
    }
    this.#settleClosed(reason === 'by us' ? null : reason);
  }
}
