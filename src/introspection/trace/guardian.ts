// What a tracer asks of the process that watches over it: a guest stands still at every stop, and whoever stopped it may die at
// any moment. Without a guardian nothing is traced.
import type { Socket } from 'node:net';
import type { Problem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';

/** While nothing happens a tracer beats this often; a guardian that hears nothing for some of these lets the guest run. */
export const beatEveryMs = 200;

/** What a guardian must know to let a guest run again without the tracer's help. */
export interface GuardedStub {
  /** Of QEMU's gdb stub; it takes one client at a time. */
  readonly socketPath: string;
  /** The tracer's own connection to it, for a duplicate: it still works when the tracer is dead or hangs. */
  readonly connection: Socket;
  readonly qemuPid: number;
}

/** One guarded trace. After `close` the others do nothing. */
export interface Watch {
  /** The tracer lives and answers its stops. Costs next to nothing; called after stops and every `beatEveryMs`. */
  beat(): void;
  /** From now on the guest stands on purpose, at most so long: a person is asked. Beats go on all the while. */
  hold(forMs: number): void;
  /** It no longer does. */
  release(): void;
  /** Settles when the guardian itself is gone or has taken the guest away: the tracer detaches at once. Null = after `close`. */
  readonly lost: Promise<Problem | null>;
  /** The tracer has detached by itself and shown that the guest runs. */
  close(): Promise<void>;
}

export interface Guardian {
  /** Called when the connection stands and before the first stop point is set; from its success on the guest is safe. */
  watch(stub: GuardedStub): Promise<Result<Watch>>;
}
