// Accounts for every process and thread a guest says it created: what no look explains was missed.
//
// Linux counts each fork, vfork and clone in `total_forks`, threads included, and says nothing about execs. So the
// number is an upper bound of the programs that ran unseen: a thread that lived and died between two looks counts as well,
// and so does a child that never execed. It is a lower bound of nothing: a process seen by one look may exec and end
// before the next without moving the counter (process-differ counts what it can of that as `unidentified`).

export interface Look {
  /** The guest's counter read just before the sweep. */
  readonly forksBefore: number;
  /** The same read just after it. */
  readonly forksAfter: number;
  /** Tasks seen for the first time in this sweep, threads not included unless they were looked at. */
  readonly newTasks: number;
}

export class ForkLedger {
  /** Created but not seen yet, by the end of the last look; negative when a sweep saw what its counter did not yet say. */
  #open = 0;
  #counted: number;

  /** `forks` as read together with the first, complete look. */
  constructor(forks: number) {
    this.#counted = forks;
  }

  /** Tasks this look leaves unexplained; positive means that a look at the threads may explain more. */
  unexplained(look: Look): number {
    return this.#open + (look.forksBefore - this.#counted) - look.newTasks;
  }

  /** Closes the look; `newThreads` were found besides. Answers how many tasks came and went unseen. */
  settle(look: Look, newThreads: number): number {
    const open = this.unexplained(look) - newThreads;
    this.#counted = look.forksBefore;
    // What the sweep saw ahead of the counter is bounded by what was created while it ran; more would hide a later miss.
    this.#open = open < 0 ? Math.max(open, look.forksBefore - look.forksAfter) : 0;
    return Math.max(open, 0);
  }
}
