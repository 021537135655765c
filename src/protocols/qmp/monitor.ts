// What a QEMU monitor can do, whoever carries the words: QEMU's own QMP socket, or libvirt passing them on.
import type { Json } from '../../kit/canonical-json.ts';
import type { Problem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';

/** A refusal by QEMU carries QEMU's class (`GenericError`, `CommandNotFound`, `DeviceNotActive`...); other failures null. */
export interface MonitorProblem extends Problem {
  readonly qemuClass: string | null;
}

export interface MonitorEvent {
  /** QEMU's name for it: `RESET`, `STOP`, `RESUME`, `SHUTDOWN`... */
  readonly name: string;
  readonly data: { readonly [key: string]: Json | undefined };
  /** Milliseconds since the Unix epoch, by QEMU. */
  readonly atMs: number;
}

export interface ExecuteOptions {
  /** Default 10 000. The command may still take effect after it was given up. */
  readonly timeoutMs?: number;
}

export type MonitorArguments = { readonly [key: string]: Json | undefined };

export interface Monitor {
  execute(command: string, args?: MonitorArguments, options?: ExecuteOptions): Promise<Result<Json, MonitorProblem>>;
  /** A line of the human monitor; answers its text. QEMU does not report failure here other than in the text. */
  hmp(line: string, options?: ExecuteOptions): Promise<Result<string, MonitorProblem>>;
  /** Calls `listener` at each event from now on; nothing is kept back for later. Returns how to stop it. */
  subscribe(listener: (event: MonitorEvent) => void): () => void;
  /** Settles when the monitor can no longer be used, with the reason; null when it was closed by us. */
  readonly closed: Promise<MonitorProblem | null>;
  close(): void;
}

export function monitorProblem(problem: Problem, qemuClass: string | null = null): MonitorProblem {
  return { ...problem, qemuClass };
}
