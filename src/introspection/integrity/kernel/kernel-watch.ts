// Watches over one guest's kernel from a baseline on: a whole look when asked, or a round of small steps that costs next to nothing.
import type { CpuRegisters } from '../../hypervisor/cpu-registers.ts';
import { KernelSpace } from '../../kernel/kernel-space.ts';
import { PageCache } from '../../memory/page-cache.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';
import { takeBaseline } from './baseline.ts';
import type { Doubt, KernelBaseline } from './baseline.ts';
import { checkKernel, keyOf } from './check-kernel.ts';
import type { KernelIntegrity } from './check-kernel.ts';
import { IntegrityRound } from './integrity-round.ts';
import { KeptBytes } from './kept-bytes.ts';
import { openKernelFile } from './code/kernel-file.ts';
import type { KernelFile } from './code/kernel-file.ts';
import { beginLook } from './kernel-look.ts';
import { ModuleCode } from './modules/module-code.ts';
import { verifyImage, verifySites } from './code/verify-image.ts';

const pagesMax = 8192;
const looksToBelieve = 3;

export class KernelWatch {
  readonly baseline: KernelBaseline;
  /** Small steps, one at a time, that together make a look: for whoever watches all the time. */
  readonly round: IntegrityRound;
  readonly #space: KernelSpace;
  readonly #modules: ModuleCode;

  constructor(space: KernelSpace, baseline: KernelBaseline) {
    this.#space = space;
    this.baseline = baseline;
    this.#modules = new ModuleCode(baseline.kept);
    this.round = new IntegrityRound(space, baseline, this.#modules);
  }

  /** One whole look: 100 to 300 ms, during which nothing else runs. */
  look(cpus: readonly CpuRegisters[]): KernelIntegrity {
    const whole = checkKernel(this.#space, this.baseline, cpus, this.#modules);
    this.#space.pages.release();
    return whole;
  }

  /** Nothing can be asked afterwards. */
  close(): void {
    this.baseline.kept.close();
  }
}

export interface KernelWatchOptions {
  /** The distribution's kernel image for this very build, held against what runs; null = what runs now is trusted. */
  readonly vmlinuz: Buffer | null;
  /** Where the bytes of the baseline are kept; null = in memory, some ten megabytes. */
  readonly directory: string | null;
}

/** Takes the baseline: a second of work. A problem when the file is another build's: a wrong truth is worse than none. */
export function openKernelWatch(kernel: KernelSpace, { vmlinuz, directory }: KernelWatchOptions): Result<KernelWatch> {
  // Pages of its own: a look reads others than a sweep, and must not drive them out.
  const space = new KernelSpace(
    new PageCache(kernel.pages.memory, { pagesMax, readAhead: false }),
    kernel.image,
    kernel.profile,
  );
  const file = vmlinuz === null ? ok(null) : openKernelFile(vmlinuz);
  if (!file.ok) return file;
  if (file.value !== null && file.value.buildId !== kernel.profile.buildId) {
    return fail(
      problem(
        'refused',
        `This kernel file is another build (${file.value.buildId.slice(0, 12)}) than the one that runs (${kernel.profile.buildId.slice(0, 12)}).`,
        'Give the vmlinuz of exactly the package that the guest has booted.',
      ),
    );
  }
  const kept = new KeptBytes({ directory });
  const baseline = takeBaseline(space, file.value, kept);
  if (!baseline.ok) {
    kept.close();
    return baseline;
  }
  const doubts = confirmedDoubts(space, baseline.value, file.value);
  space.pages.release();
  return ok(new KernelWatch(space, { ...baseline.value, doubts }));
}

/** What each of a few looks finds to be wrong from the start: a change in the making does not last that long. */
function confirmedDoubts(space: KernelSpace, baseline: KernelBaseline, file: KernelFile | null): readonly Doubt[] {
  const verify = (): readonly Doubt[] => {
    const look = beginLook(space, baseline);
    return file === null ? verifySites(look) : verifyImage(look, file);
  };
  let doubts = verify();
  for (let look = 1; look < looksToBelieve && doubts.length > 0; look += 1) {
    const again = new Set(verify().map(({ finding }) => keyOf(finding)));
    doubts = doubts.filter(({ finding }) => again.has(keyOf(finding)));
  }
  return doubts;
}
