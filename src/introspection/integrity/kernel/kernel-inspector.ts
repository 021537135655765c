// Inspects the kernel of a guest that a session looks into: takes the baseline once, reads the processors' registers for each look,
// and lets several looks agree before anything is told.
import { setTimeout as wait } from 'node:timers/promises';
import { ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';
import type { Monitor } from '../../../protocols/qmp/monitor.ts';
import { parseRegisters } from '../../hypervisor/cpu-registers.ts';
import type { CpuRegisters } from '../../hypervisor/cpu-registers.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { agreeing, hasFindings, hasMovingFindings } from './check-kernel.ts';
import type { KernelIntegrity } from './check-kernel.ts';
import { openKernelWatch } from './kernel-watch.ts';
import type { KernelWatch } from './kernel-watch.ts';

export interface InspectOptions {
  /** The distribution's kernel image for this build; heeded when the baseline is taken, that is by the first call. */
  readonly vmlinuz?: Buffer;
}

/**
 * Looks that must agree, with pauses that double: what never changes by itself needs three. What a kernel does change, but on its own
 * time, needs six over three seconds: on a busy host a guest stands still for long in the middle of patching itself.
 */
const looksForStill = 3;
const looksForMoving = 6;
const firstPauseMs = 100;

export class KernelInspector {
  readonly #space: KernelSpace;
  readonly #monitor: Monitor | null;
  #watch: KernelWatch | null = null;

  /** Without a monitor the processors' registers are not seen, and the answer says so. */
  constructor(space: KernelSpace, monitor: Monitor | null) {
    this.#space = space;
    this.#monitor = monitor;
  }

  /** Takes the baseline now, unless there is one: the earlier in a guest's life, the more it is worth. */
  watch(options: InspectOptions = {}): Result<KernelWatch> {
    if (this.#watch !== null) return ok(this.#watch);
    const opened = openKernelWatch(this.#space, { vmlinuz: options.vmlinuz ?? null, directory: null });
    if (opened.ok) this.#watch = opened.value;
    return opened;
  }

  /** All checks: a quarter of a second; up to five seconds when something seems wrong that may be a change in the making. */
  async inspect(options: InspectOptions = {}): Promise<Result<KernelIntegrity>> {
    const watch = this.watch(options);
    if (!watch.ok) return watch;
    const seen: KernelIntegrity[] = [];
    for (;;) {
      const look = watch.value.look(await this.#registers());
      seen.push(look);
      const agreed = agreeing(seen, look);
      const looks = hasMovingFindings(agreed) ? looksForMoving : looksForStill;
      if (!hasFindings(agreed) || seen.length >= looks) return ok(agreed);
      await wait(firstPauseMs * 2 ** (seen.length - 1));
    }
  }

  /** One small step of a round (`IntegrityRound.step`); a whole answer when it completes one, null until then. */
  async step(options: InspectOptions = {}): Promise<Result<KernelIntegrity | null>> {
    const watch = this.watch(options);
    if (!watch.ok) return watch;
    const { round } = watch.value;
    return ok(round.step(round.needsRegisters ? await this.#registers() : []));
  }

  async #registers(): Promise<readonly CpuRegisters[]> {
    const text = await this.#monitor?.hmp('info registers -a');
    return text?.ok === true ? parseRegisters(text.value) : [];
  }
}
