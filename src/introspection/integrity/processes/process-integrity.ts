// Looks at the integrity of a guest's processes, again and again: everything that one look must know of earlier ones lives here. A finding
// takes three looks, with the guest running in between, to be told.
import type { Clock } from '../../../kit/clock.ts';
import { KernelSpace } from '../../kernel/kernel-space.ts';
import { PageCache } from '../../memory/page-cache.ts';
import type { IntegrityCheck } from '../integrity-view.ts';
import { CredentialsCheck } from './credentials.ts';
import { ExecutableContentsCheck } from './executable-contents.ts';
import { checkHiddenProcesses, mayPause, needed } from './hidden-processes.ts';
import { MappedCodeCheck } from './mapped-code.ts';
import { Persistence } from './persistence.ts';
import { takeCensus } from './process-census.ts';
import type { Census } from './process-census.ts';
import type { ProcessLook } from './process-look.ts';
import { checkRunningPrograms } from './running-programs.ts';

const readsMax = 1_000_000;
const pagesMax = 8192;
/** What takes longer is left to the next look, which goes on where this one stopped. */
const lookMsMax = 2_000;
/** A count of ten thousand processes takes a fifth of a second. */
const countMsMax = 1_000;
/** A list that changes under the count is counted again. */
const countsMax = 3;

export class ProcessIntegrity {
  readonly #space: KernelSpace;
  readonly #clock: Clock;
  readonly #persistence = new Persistence();
  readonly #credentials = new CredentialsCheck();
  readonly #mapped = new MappedCodeCheck();
  readonly #contents = new ExecutableContentsCheck();
  #look = 0;
  #unsettled = false;

  /** `kernel`: of the session; its memory is read through pages of its own. */
  constructor(kernel: KernelSpace, clock: Clock) {
    this.#space = new KernelSpace(
      new PageCache(kernel.pages.memory, { pagesMax, readAhead: false }),
      kernel.image,
      kernel.profile,
    );
    this.#clock = clock;
  }

  /** Whether the last look saw what the next ones may prove: look again soon. */
  get unsettled(): boolean {
    return this.#unsettled;
  }

  /** One look. Findings come from the third on, when the guest's clock has moved on by a fifth of a second since the first. */
  checkProcesses(): readonly IntegrityCheck[] {
    const began = this.#clock.monotonic();
    const census = this.#count(began);
    this.#look += 1;
    const ticks = this.#space.pages.u64(this.#space.symbol('jiffies_64'));
    const look: ProcessLook = {
      space: this.#space,
      now: { look: this.#look, ticks },
      census,
      persistence: this.#persistence,
      isLate: () => this.#clock.monotonic() - began > lookMsMax,
    };
    const checks = [
      checkHiddenProcesses(look),
      this.#credentials.look(look),
      checkRunningPrograms(look),
      this.#mapped.look(look),
      this.#contents.look(look),
    ];
    this.#unsettled = this.#persistence.isUnsettled(look.now);
    this.#persistence.settle(look.now, mayPause(look));
    this.#space.pages.release();
    return checks;
  }

  #count(began: number): Census {
    const isLate = (): boolean => this.#clock.monotonic() - began > countMsMax;
    for (let count = 1; ; count += 1) {
      this.#space.pages.begin(readsMax);
      const census = takeCensus(this.#space, isLate);
      if (count >= countsMax || isLate() || needed.every((view) => census.sound.has(view))) return census;
    }
  }
}
