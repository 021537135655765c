// The inside of the integrity thread: one small step for each watched guest at a time, all the time, so that watching costs a
// fraction of a percent of a processor; and whole looks for whoever asks.
import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '../../kit/clock.ts';
import { causeOf, type Problem, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { parseRegisters } from '../../introspection/hypervisor/cpu-registers.ts';
import type { CpuRegisters } from '../../introspection/hypervisor/cpu-registers.ts';
import type { IntegrityCheck } from '../../introspection/integrity/integrity-view.ts';
import { openIntegrity, type OpenIntegrity, wholeLook } from './integrity-look.ts';
import type { FromIntegrity, ToIntegrity } from './integrity-messages.ts';
import { ProcessPace } from './process-pace.ts';

interface Watched {
  readonly open: OpenIntegrity;
  cpus: readonly CpuRegisters[];
  readonly pace: ProcessPace;
}

const stepEveryMs = 100;
const watchedMax = 1000;
/** After the last of several guests. */
const collectAfterMs = 1000;
const kernelFileBytesMax = 128 * 1024 * 1024;

export class IntegrityDesk {
  readonly #clock: Clock;
  readonly #post: (message: FromIntegrity) => void;
  readonly #collect: () => void;
  readonly #watched = new Map<string, Watched>();
  #timer: NodeJS.Timeout | null = null;
  #collectTimer: NodeJS.Timeout | null = null;

  /** `collect` gives back memory that nothing holds any more. */
  constructor(clock: Clock, post: (message: FromIntegrity) => void, collect: () => void) {
    this.#clock = clock;
    this.#post = post;
    this.#collect = collect;
  }

  receive(message: ToIntegrity): void {
    switch (message.say) {
      case 'watch':
        return this.#watch(message);
      case 'refresh':
        return this.#refresh(message);
      case 'forget':
        return this.#forget(message.run);
      case 'look':
        void this.#look(message);
    }
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#collectTimer !== null) clearTimeout(this.#collectTimer);
    for (const { open } of this.#watched.values()) open.close();
    this.#watched.clear();
  }

  #watch({ run, target }: ToIntegrity & { readonly say: 'watch' }): void {
    this.#forget(run);
    const open =
      this.#watched.size < watchedMax
        ? openIntegrity(target, null, this.#clock)
        : fail(problem('refused', `${watchedMax} guests are watched already.`));
    if (!open.ok) return this.#post({ say: 'unwatchable', run, problem: open.error });
    const cpus = parseRegisters(target.registers);
    this.#watched.set(run, { open: open.value, cpus, pace: new ProcessPace() });
    this.#timer ??= setInterval(() => this.#stepAll(), stepEveryMs);
    this.#collectSoon();
  }

  #refresh({ run, registers, stretches }: ToIntegrity & { readonly say: 'refresh' }): void {
    const watched = this.#watched.get(run);
    if (watched === undefined) return;
    watched.cpus = parseRegisters(registers);
    const mapped = stretches === null ? null : watched.open.remap(stretches);
    if (mapped === null || mapped.ok) return;
    this.#forget(run);
    this.#post({ say: 'unwatchable', run, problem: mapped.error });
  }

  /** Opening a guest leaves ten megabytes behind, and watching it allocates so little that they would stay for hours. */
  #collectSoon(): void {
    if (this.#collectTimer !== null) clearTimeout(this.#collectTimer);
    this.#collectTimer = setTimeout(() => this.#collect(), collectAfterMs);
  }

  #forget(run: string): void {
    this.#watched.get(run)?.open.close();
    this.#watched.delete(run);
    if (this.#watched.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #stepAll(): void {
    for (const [run, watched] of this.#watched) {
      try {
        this.#step(run, watched);
      } catch (thrown) {
        // A guest that breaks a check must not end the others' watches.
        this.#forget(run);
        this.#post({ say: 'unwatchable', run, problem: problem('failed', `A check broke: ${causeOf(thrown)}.`) });
      }
    }
  }

  #step(run: string, { open, cpus, pace }: Watched): void {
    const whole = open.kernel.round.step(cpus);
    if (whole !== null) this.#tell(run, 'kernel', whole.checks);
    const nowMs = this.#clock.monotonic();
    if (!pace.due(nowMs, open.stirred)) return;
    // Before the look: what moves during it is looked at by the next.
    const stirred = open.stirred();
    const checks = open.processes.checkProcesses();
    pace.done(nowMs, stirred, open.processes.unsettled);
    this.#tell(run, 'processes', checks);
  }

  #tell(run: string, of: 'kernel' | 'processes', checks: readonly IntegrityCheck[]): void {
    const findings = checks.flatMap((check) => check.findings);
    const unseen = checks.flatMap(({ couldNotSee }) => couldNotSee).reduce((sum, { count }) => sum + count, 0);
    this.#post({ say: 'round', run, of, findings, unseen });
  }

  async #look({ id, run, target, vmlinuz }: ToIntegrity & { readonly say: 'look' }): Promise<void> {
    const file = vmlinuz === null ? ok(null) : readKernelFile(vmlinuz);
    const watched = vmlinuz === null ? this.#watched.get(run) : undefined;
    const open = !file.ok
      ? file
      : watched === undefined
        ? openIntegrity(target, file.value, this.#clock)
        : ok(watched.open);
    if (!open.ok) return this.#post({ say: 'not-looked', id, problem: open.error });
    try {
      this.#post({ say: 'looked', id, report: await wholeLook(open.value, target.registers) });
    } catch (thrown) {
      this.#post({ say: 'not-looked', id, problem: problem('failed', `A check broke: ${causeOf(thrown)}.`) });
    } finally {
      if (watched === undefined) {
        open.value.close();
        this.#collectSoon();
      }
    }
  }
}

/** The distribution's kernel image, as a user names it. */
export function readKernelFile(path: string): Result<Buffer> {
  try {
    const { size } = statSync(path);
    if (size > kernelFileBytesMax) return fail(unreadable(path, `it is larger than ${kernelFileBytesMax} bytes`));
    return ok(readFileSync(path));
  } catch (thrown) {
    return fail(unreadable(path, causeOf(thrown)));
  }
}

function unreadable(path: string, why: string): Problem {
  return problem(
    'unreadable',
    `The kernel file ${path} cannot be read: ${why}.`,
    'Name the vmlinuz of the guest’s package.',
  );
}
