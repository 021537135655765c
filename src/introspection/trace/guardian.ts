// What a tracer asks of the process that watches over it: a guest stands still at every stop, and whoever stopped it may die at
// any moment. Without a guardian nothing is traced.
import type { Socket } from 'node:net';
import type { Problem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';

/** While nothing happens a tracer beats this often; a guardian that hears nothing for some of these lets the guest run. */
export const beatEveryMs = 100;

/** What a guardian must know to let a guest run again without the tracer's help. */
export interface GuardedStub {
  /** Of QEMU's gdb stub, where it listens already; it takes one client at a time. */
  readonly socketPath: string;
  readonly qemuPid: number;
}

/** One guarded trace. After `close` the others do nothing. */
export interface Watch {
  /**
   * To the stub, opened by the guardian, which keeps a duplicate: no moment of the trace is unguarded, and the guardian can cut
   * off a tracer that hangs. The guest stands from its opening on and QEMU has answered on it; nothing is left to be read.
   */
  readonly connection: Socket;
  /**
   * The guest ran until the connection stopped it. Told by QEMU up to 8.0 only; false by a later one, whose monitor is to be asked
   * beforehand.
   */
  readonly ranBefore: boolean;
  /** The tracer lives and answers its stops. Costs next to nothing; called after stops and every `beatEveryMs`. */
  beat(): void;
  /** From now on the guest stands on purpose, at most so long: a person is asked. Beats go on all the while. */
  hold(forMs: number): void;
  /** It no longer does. */
  release(): void;
  /** Somebody else has paused the guest, and it is to stay so whatever becomes of the tracer; false = it runs again. */
  pausedByOther(paused: boolean): void;
  /** Settles when the guardian itself is gone or has taken the guest away: the tracer detaches at once. Null = after `close`. */
  readonly lost: Promise<Problem | null>;
  /** The tracer has detached by itself and shown that the guest runs. Before it, the end of the connection is taken for a loss. */
  close(): Promise<void>;
}

export interface Guardian {
  /** Connects to the stub and stops the guest by it; from its success on the guest is safe. */
  watch(stub: GuardedStub): Promise<Result<Watch>>;
}
