// Spreads the work of a whole look over many small steps, so that a kernel can be watched all the time for a fraction of a percent of a
// processor. A step that finds something is looked at again by the next ones, and what a kernel may change by itself in the next
// round as well: only what persists is told.
import type { CpuRegisters } from '../../hypervisor/cpu-registers.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { IntegrityCheck, IntegrityFinding } from '../integrity-view.ts';
import type { KernelBaseline } from './baseline.ts';
import { isMoving, keyOf, listChecks, sayBaseline, withDoubts } from './check-kernel.ts';
import type { KernelIntegrity } from './check-kernel.ts';
import { checkSlice, regionAnswer } from './code/image-check.ts';
import { beginLook } from './kernel-look.ts';
import type { KernelLook } from './kernel-look.ts';
import { readKernelState } from './kernel-state.ts';
import type { ModuleCode } from './modules/module-code.ts';
import { Unseen } from '../unseen.ts';

/** Looks at which a finding must be seen, each in a step of its own. */
const looksToBelieve = 3;
/** Steps for which the lists of modules, tracers and probes are taken as read. Whatever seems wrong is judged by fresh ones. */
const stepsPerLook = 64;

type Part = (look: () => KernelLook, cpus: readonly CpuRegisters[]) => IntegrityCheck;

export interface RoundProgress {
  readonly step: number;
  readonly steps: number;
}

export class IntegrityRound {
  readonly #space: KernelSpace;
  readonly #baseline: KernelBaseline;
  readonly #parts: readonly Part[];
  #at = 0;
  #repeats = 0;
  #candidates: readonly IntegrityFinding[] = [];
  #answers = new Map<string, { covers: string; findings: IntegrityFinding[]; unseen: Unseen }>();
  /** What this round and the last one found of the kinds that take long to settle. */
  #moving = new Set<string>();
  #movingBefore = new Set<string>();
  #look: KernelLook | null = null;
  #lookAge = 0;

  constructor(space: KernelSpace, baseline: KernelBaseline, modules: ModuleCode) {
    this.#space = space;
    this.#baseline = baseline;
    const slices = baseline.regions.flatMap((region) =>
      region.slices.map((_, index): Part => (look) => {
        const unseen = new Unseen();
        return regionAnswer(region.holds, checkSlice(space, baseline, region, index, look, unseen), unseen);
      }),
    );
    const lists = listChecks.map(
      (check): Part =>
        (look, cpus) =>
          check(look(), cpus, modules),
    );
    this.#parts = [...slices, ...lists];
  }

  get progress(): RoundProgress {
    return { step: this.#at, steps: this.#parts.length };
  }

  /** Whether the next step looks at what the processors' registers say; otherwise none need be read. */
  get needsRegisters(): boolean {
    return this.#at === this.#parts.length - listChecks.length;
  }

  /**
   * One part: mostly a quarter of a millisecond, a few up to some ten. Findings that persisted (see above) are in the answer, which
   * is null until a round is complete. Call it again after a pause, never in a loop. `cpus`: the registers as last read.
   */
  step(cpus: readonly CpuRegisters[]): KernelIntegrity | null {
    const whole = this.#take(cpus);
    // Most steps need no page of a list, and the next that does comes later.
    this.#space.pages.release();
    return whole;
  }

  #take(cpus: readonly CpuRegisters[]): KernelIntegrity | null {
    const part = this.#parts[this.#at];
    if (part === undefined) return this.#finish();
    const answer = part(() => this.#lookNow(this.#repeats > 0), cpus);
    const known = new Set(this.#candidates.map(keyOf));
    const candidates =
      this.#repeats === 0 ? answer.findings : answer.findings.filter((finding) => known.has(keyOf(finding)));
    if (candidates.length > 0 && this.#repeats + 1 < looksToBelieve) {
      this.#candidates = candidates;
      this.#repeats += 1;
      return null;
    }
    this.#keep(answer, candidates);
    this.#candidates = [];
    this.#repeats = 0;
    this.#at += 1;
    return this.#at < this.#parts.length ? null : this.#finish();
  }

  #lookNow(fresh: boolean): KernelLook {
    this.#lookAge += 1;
    if (this.#look === null || fresh || this.#lookAge > stepsPerLook) {
      this.#look = beginLook(this.#space, this.#baseline);
      this.#lookAge = 0;
    }
    return this.#look;
  }

  #keep(answer: IntegrityCheck, findings: readonly IntegrityFinding[]): void {
    const kept = this.#answers.get(answer.check) ?? { covers: answer.covers, findings: [], unseen: new Unseen() };
    for (const finding of findings) {
      if (isMoving(finding)) {
        this.#moving.add(keyOf(finding));
        if (!this.#movingBefore.has(keyOf(finding))) continue;
      }
      kept.findings.push(finding);
    }
    for (const { what, count } of answer.couldNotSee) kept.unseen.note(what, count);
    this.#answers.set(answer.check, kept);
  }

  #finish(): KernelIntegrity {
    const look = beginLook(this.#space, this.#baseline);
    const checks = [...this.#answers].map(([check, { covers, findings, unseen }]): IntegrityCheck => ({
      check,
      covers,
      findings,
      couldNotSee: unseen.parts,
    }));
    this.#answers = new Map();
    this.#movingBefore = this.#moving;
    this.#moving = new Set();
    this.#at = 0;
    this.#look = null;
    return {
      baseline: sayBaseline(this.#baseline),
      checks: withDoubts(checks, this.#baseline),
      state: readKernelState(look),
    };
  }
}
