// Work that the made-up Proxmox VE does behind a task: begun at once, done a moment later, and remembered by how it ended.
import type { Json } from '../../kit/canonical-json.ts';
import { Refusal } from './api-method.ts';

interface Task {
  readonly by: string;
  exit: string | null;
}

export interface TaskWork {
  readonly by: string;
  readonly node: string;
  readonly name: string;
  readonly number: string;
  readonly run: () => void;
}

export class Tasks {
  readonly #takesMs: number;
  readonly #tasks = new Map<string, Task>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(takesMs: number) {
    this.#takesMs = takesMs;
  }

  /** Its id; what `run` throws is how it ends. */
  begin({ by, node, name, number, run }: TaskWork): string {
    const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
    const upid = `UPID:${node}:${hex(this.#tasks.size + 1)}:${hex(7)}:${hex(99)}:${name}:${number}:${by}:`;
    const task: Task = { by, exit: null };
    this.#tasks.set(upid, task);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      try {
        run();
        task.exit = 'OK';
      } catch (thrown) {
        task.exit = thrown instanceof Error ? thrown.message : 'unknown';
      }
    }, this.#takesMs);
    this.#timers.add(timer);
    return upid;
  }

  statusOf(upid: string, by: string): Json {
    const task = this.#tasks.get(upid);
    if (task?.by !== by) throw new Refusal(500, 'no such task');
    return task.exit === null ? { status: 'running' } : { status: 'stopped', exitstatus: task.exit };
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
