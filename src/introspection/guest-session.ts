// One guest being looked into, from attaching to closing: its memory, its kernel, its monitor if it has one, and whether it is
// still the same system.
import type { Clock } from '../kit/clock.ts';
import { problem } from '../kit/problem.ts';
import type { Problem } from '../kit/problem.ts';
import { fail, ok } from '../kit/result.ts';
import type { Result } from '../kit/result.ts';
import type { Monitor } from '../protocols/qmp/monitor.ts';
import type { Activity, GuestIdentity, Liveness, ModuleView, SweepOptions, SweepResult } from './guest/guest-view.ts';
import { Sweeper } from './guest/sweeper.ts';
import type { ExecutableIdentity, HashLimits, ProcessFile } from './identity/executable-identity.ts';
import { FileHasher } from './identity/file-hasher.ts';
import type { KernelIntegrity } from './integrity/kernel/check-kernel.ts';
import { KernelInspector } from './integrity/kernel/kernel-inspector.ts';
import type { InspectOptions } from './integrity/kernel/kernel-inspector.ts';
import { parseRegisters } from './hypervisor/cpu-registers.ts';
import type { IntegrityCheck } from './integrity/integrity-view.ts';
import { ProcessIntegrity } from './integrity/processes/process-integrity.ts';
import { fits } from './kernel/attach-kernel.ts';
import type { AttachedKernel } from './kernel/attach-kernel.ts';
import { findKernel } from './kernel/find-kernel.ts';
import { PageCache } from './memory/page-cache.ts';

/** What a session needs of a running machine; a recording has none of it. */
export interface Machine {
  readonly monitor: Monitor;
  /** Whether this very QEMU process still runs. */
  readonly alive: () => boolean;
  /** Has the session read what memory was plugged in since. */
  readonly refreshMemory: () => Promise<Result<void>>;
  /** Close the monitor with the session; false when it is somebody else's. */
  readonly ownsMonitor: boolean;
  /** User that QEMU runs as; null = not known. */
  readonly qemuUid: number | null;
}

/** No Linux ticks faster; more ticks than this per millisecond mean that another past was loaded. */
const ticksPerMsMax = 1;
const ticksSlack = 10_000;
const checkReadsMax = 4096;
const mend = 'Close this session and attach again.';

export class GuestSession {
  readonly identity: GuestIdentity;
  /** Whether the kernel build was recognised from the profile directory or learned from memory. */
  readonly profileFrom: 'cache' | 'memory';
  /** The profile could not be kept in its directory; everything works, attaching will cost more next time. */
  readonly cacheProblem: Problem | null;
  /** The guest's monitor, for whoever also acts on the guest: QEMU admits one client only. Null for a recording. */
  readonly monitor: Monitor | null;
  readonly #kernel: AttachedKernel;
  readonly #sweeper: Sweeper;
  readonly #hasher: FileHasher;
  readonly #processes: ProcessIntegrity;
  readonly #inspector: KernelInspector;
  readonly #clock: Clock;
  readonly #machine: Machine | null;
  readonly #unsubscribe: () => void;
  #last: { readonly activity: Activity; readonly atMs: number };
  #ended: Exclude<Liveness, { state: 'same' | 'unknown' }> | 'closed' | null = null;

  constructor(kernel: AttachedKernel, clock: Clock, machine: Machine | null) {
    this.#kernel = kernel;
    this.#clock = clock;
    this.#machine = machine;
    this.#sweeper = new Sweeper(kernel.space, clock);
    const disks = machine === null ? null : { monitor: machine.monitor, qemuUid: machine.qemuUid };
    this.#hasher = new FileHasher(kernel.space, clock, disks);
    this.#inspector = new KernelInspector(kernel.space, machine?.monitor ?? null);
    this.#processes = new ProcessIntegrity(kernel.space, clock);
    this.identity = this.#sweeper.identity();
    this.profileFrom = kernel.profileFrom;
    this.cacheProblem = kernel.cacheProblem;
    this.monitor = machine?.monitor ?? null;
    this.#last = { activity: this.#sweeper.activity(), atMs: clock.monotonic() };
    this.#unsubscribe =
      machine?.monitor.subscribe((event) => {
        // The old kernel stays in memory after a reset and looks sound for seconds: this event alone tells at once.
        if (event.name === 'RESET') this.#end('changed', 'the machine was reset');
      }) ?? (() => {});
  }

  /** What runs in the guest now. A problem when the session was closed, or is known to look at a system that is gone. */
  sweep(options: SweepOptions = {}): Result<SweepResult> {
    const ended = this.#endedProblem();
    if (ended !== null) return fail(ended);
    const result = this.#sweeper.take(options);
    // No guest is without processes: an empty list means that there is nothing to read any more.
    if (result.tasks.length > 0) return ok(result);
    if (this.#machine?.alive() === false) this.#end('gone', 'its QEMU process has ended');
    return fail(
      this.#endedProblem() ?? problem('unreadable', 'The guest’s list of processes is empty or cannot be read.', mend),
    );
  }

  /** Kernel modules loaded in the guest. */
  modules(): Result<{ readonly modules: readonly ModuleView[]; readonly complete: boolean }> {
    const ended = this.#endedProblem();
    return ended === null ? ok(this.#sweeper.modules()) : fail(ended);
  }

  /** The regular files a process runs, maps and has open: its script and its libraries are among them. */
  files(pid: number): Result<readonly ProcessFile[]> {
    const ended = this.#endedProblem();
    return ended === null ? this.#hasher.files(pid) : fail(ended);
  }

  /**
   * One look at the integrity of processes. What is found is told from the third look on, when the guest has run for a fifth of a
   * second since the first: whatever looks wrong only once is a race. Tens of milliseconds.
   */
  checkProcesses(): Result<readonly IntegrityCheck[]> {
    const ended = this.#endedProblem();
    return ended === null ? ok(this.#processes.checkProcesses()) : fail(ended);
  }

  /**
   * What a file of a process is by its contents, its executable by default; `file` as `files` names it. Read from the guest's
   * memory, what is not there from the VM's disk, read-only. Where it cannot be had whole, the identity has no hash and says why.
   */
  async hash(pid: number, limits: HashLimits & { readonly file?: string } = {}): Promise<Result<ExecutableIdentity>> {
    const ended = this.#endedProblem();
    return ended === null ? this.#hasher.hash(pid, limits.file ?? 'executable', limits) : fail(ended);
  }

  /**
   * Whether the kernel is as it should be, check by check; the first call takes the baseline, and its `vmlinuz` decides what that is
   * held against. A second at first, then a quarter of one, in which nothing else runs.
   */
  async kernelIntegrity(options: InspectOptions = {}): Promise<Result<KernelIntegrity>> {
    const ended = this.#endedProblem();
    return ended === null ? this.#inspector.inspect(options) : fail(ended);
  }

  /**
   * The same in small steps, for watching all the time: null until a round of 300 to 500 is complete. A step every 60 ms takes less
   * than half a percent of a processor.
   */
  async kernelIntegrityStep(options: InspectOptions = {}): Promise<Result<KernelIntegrity | null>> {
    const ended = this.#endedProblem();
    return ended === null ? this.#inspector.step(options) : fail(ended);
  }

  /** Whether the guest passes on packets that are not its own (`net.ipv4.ip_forward`); null when it cannot be told. */
  forwards(): boolean | null {
    return this.#endedProblem() === null ? this.#sweeper.forwards() : null;
  }

  /** Counters to poll: about 5 µs. Sweep when `forks` moves. */
  activity(): Activity {
    const activity = this.#ended === 'closed' ? this.#last.activity : this.#sweeper.activity();
    this.#compare(activity);
    return activity;
  }

  /** Asks whether this is still the system that was attached to, and how much memory it has now; about a millisecond. Call it every second or so. */
  async check(): Promise<Liveness> {
    if (this.#ended === 'closed') return { state: 'gone', why: 'the session was closed' };
    if (this.#machine?.alive() === false) this.#end('gone', 'its QEMU process has ended');
    if (this.#ended === null) this.activity();
    if (this.#ended !== null) return this.#ended;
    if (this.#machine === null) return { state: 'same' };
    const [registers, memory] = await Promise.all([
      this.#machine.monitor.hmp('info registers -a'),
      this.#machine.refreshMemory(),
    ]);
    if (this.#ended !== null) return this.#ended;
    if (!registers.ok) {
      if (!this.#machine.alive()) return this.#end('gone', 'its QEMU process has ended');
      return { state: 'unknown', why: registers.error.message };
    }
    if (!memory.ok) return { state: 'unknown', why: memory.error.message };
    const { image, profile, pages } = this.#kernel.space;
    const fresh = new PageCache(pages.memory, { pagesMax: 64, readAhead: false });
    fresh.begin(checkReadsMax);
    const found = findKernel(fresh, parseRegisters(registers.value));
    if (!found.ok) return { state: 'unknown', why: found.error.message };
    const moved = found.value.textLow !== image.textLow || found.value.textPhysical !== image.textPhysical;
    if (moved || !fits(fresh, image, profile)) return this.#end('changed', 'another kernel runs now');
    return { state: 'same' };
  }

  close(): void {
    if (this.#ended === 'closed') return;
    this.#ended = 'closed';
    this.#unsubscribe();
    this.#kernel.space.pages.memory.close();
    if (this.#machine?.ownsMonitor === true) this.#machine.monitor.close();
  }

  /** Counters only ever rise, and no faster than time: anything else is another past, loaded from a snapshot. */
  #compare(activity: Activity): void {
    const atMs = this.#clock.monotonic();
    const { activity: before, atMs: beforeMs } = this.#last;
    this.#last = { activity, atMs };
    if (activity.ticks < 0) return;
    if (activity.ticks < before.ticks || activity.forks < before.forks) {
      this.#end('changed', 'the guest’s time went back: a snapshot was loaded');
    } else if (activity.ticks - before.ticks > (atMs - beforeMs) * ticksPerMsMax + ticksSlack) {
      this.#end('changed', 'the guest’s time leapt: a snapshot was loaded');
    }
  }

  #end(state: 'changed' | 'gone', why: string): Liveness {
    const ended = { state, why };
    this.#ended ??= ended;
    return ended;
  }

  #endedProblem(): Problem | null {
    if (this.#ended === null) return null;
    if (this.#ended === 'closed') return problem('failed', 'The session was closed.');
    return problem(
      this.#ended.state === 'gone' ? 'not-found' : 'failed',
      `The guest is not what it was: ${this.#ended.why}.`,
      mend,
    );
  }
}
