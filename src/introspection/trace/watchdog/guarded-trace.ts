// One trace in the watchdog: the connection the watchdog opened for the tracer and keeps a duplicate of, the tracer's last word,
// and the taking of the guest from a tracer that is dead, late or mad.
import type { Socket } from 'node:net';
import { sayProblem } from '../../../kit/problem.ts';
import type { Result } from '../../../kit/result.ts';
import type { Freed } from './detach-conversation.ts';
import { leave, letGo } from './let-go.ts';
import { dueMs, owedMs } from './patience.ts';

export interface TraceCare {
  readonly lateMs: number;
  readonly qemuLives: () => boolean;
  /** Ends the tracer for good, when nothing else gets the guest out of its hands. */
  readonly endTracer: () => void;
  /** The tracer is late: to be taken from it. */
  readonly onLate: (why: string) => void;
}

const cutMs = 300;
const politeMs = 3_000;
const lastMs = 120_000;

export class GuardedTrace {
  readonly #socketPath: string;
  readonly #connection: Socket;
  readonly #care: TraceCare;
  #heardMs = performance.now();
  #heldUntilMs: number | null = null;
  #staysPaused = false;
  #timer: NodeJS.Timeout | undefined;
  #owed = false;
  #over = false;

  constructor(socketPath: string, connection: Socket, care: TraceCare) {
    this.#socketPath = socketPath;
    this.#connection = connection;
    this.#care = care;
    this.#wait();
  }

  /** Any word of the tracer: it lives. */
  hear(): void {
    this.#heardMs = performance.now();
    this.#owed = false;
  }

  hold(forMs: number): void {
    this.#heldUntilMs = performance.now() + forMs;
    this.#wait();
  }

  release(): void {
    this.#heldUntilMs = null;
  }

  pausedByOther(paused: boolean): void {
    this.#staysPaused = paused;
  }

  /** The tracer has detached by itself. */
  close(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#connection.destroy();
  }

  /** Cuts the tracer off and lets the guest go; never gives up while QEMU lives and time is not out. */
  async take(): Promise<Result<Freed | 'qemu-gone'>> {
    this.#over = true;
    clearTimeout(this.#timer);
    await cut(this.#connection);
    const options = { staysPaused: this.#staysPaused, qemuLives: this.#care.qemuLives };
    const freed = await letGo(this.#socketPath, { ...options, patienceMs: politeMs });
    // With nobody to talk to, an end of the tracer would change nothing.
    if (freed.ok || freed.error.kind === 'not-found') return freed;
    this.#care.endTracer();
    return letGo(this.#socketPath, { ...options, patienceMs: lastMs });
  }

  #wait(): void {
    if (this.#over) return;
    clearTimeout(this.#timer);
    const dueAtMs = this.#dueAtMs();
    this.#timer = setTimeout(
      // What came in while this process slept is heard first.
      () => setImmediate(() => this.#judge(dueAtMs)),
      Math.max(dueAtMs - performance.now(), 1),
    );
  }

  #judge(dueAtMs: number): void {
    if (this.#over) return;
    const nowMs = performance.now();
    if (nowMs < this.#dueAtMs()) {
      this.#wait();
      return;
    }
    const owed = this.#owed ? 0 : owedMs(nowMs, dueAtMs, this.#care.lateMs);
    if (owed > 0) {
      this.#owed = true;
      this.#timer = setTimeout(() => setImmediate(() => this.#judge(nowMs + owed)), owed);
      return;
    }
    const held = this.#heldUntilMs !== null && this.#heldUntilMs + this.#care.lateMs <= nowMs;
    const silence = Math.round(nowMs - this.#heardMs);
    this.#care.onLate(
      held ? 'its hold was over and it did not let the guest go' : `it was not heard for ${silence} ms`,
    );
  }

  #dueAtMs(): number {
    return dueMs({ heardMs: this.#heardMs, heldUntilMs: this.#heldUntilMs }, this.#care.lateMs);
  }
}

/** The end of one duplicate is the end of the connection for all of them; QEMU then listens again. */
function cut(connection: Socket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, cutMs);
    connection.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    leave(connection);
  });
}

/** What became of a guest that was taken, as one word for the tracer. */
export function outcomeOf(result: Result<Freed | 'qemu-gone'>): {
  readonly left: Freed | 'qemu-gone' | 'not-freed';
  readonly said: string;
} {
  return result.ok ? { left: result.value, said: '' } : { left: 'not-freed', said: ` ${sayProblem(result.error)}` };
}
