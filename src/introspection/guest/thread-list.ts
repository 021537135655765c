// Walks the threads of processes. A guest may tie such a list into any knot, and hang the same one from every process:
// what all processes together may cost is bounded.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { Ledger } from './ledger.ts';
import { tasksMax } from './task-list.ts';

export class ThreadList {
  readonly #ledger: Ledger;
  #stepsLeft = tasksMax;

  /** For one sweep. */
  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** The task records of a process's threads, its own included; at most `most`. */
  of(space: KernelSpace, leader: PhysicalAddress, most: number = tasksMax): ReadonlySet<PhysicalAddress> {
    const { fields } = space.profile;
    const threads = new Set<PhysicalAddress>();
    const signal = space.pointer(leader + fields['task_struct.signal']);
    if (signal === nowhere) return threads;
    const head = signal + fields['signal_struct.thread_head'];
    for (let at = space.pointer(head); at !== head && at !== nowhere; at = space.pointer(at)) {
      const thread = at - fields['task_struct.thread_node'];
      if (threads.has(thread)) {
        this.#ledger.note('torn', 'a list of threads that goes in circles');
        break;
      }
      if (threads.size >= most) break;
      this.#stepsLeft -= 1;
      if (this.#stepsLeft < 0) {
        this.#ledger.note('bounded', `more than ${tasksMax} threads`);
        break;
      }
      threads.add(thread);
    }
    return threads;
  }
}
