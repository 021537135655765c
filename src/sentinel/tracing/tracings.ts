// All traces of this host: one for each VM whose manifest asks for it, and one for as long as a person follows a VM. What they
// report goes to the judge as what sweeps report does; how complete it is goes to the VM's watch.
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Finding } from '../../model/finding.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import type { Step, Remediation } from '../../model/remediation.ts';
import type { TraceState, Vm } from '../../model/vm.ts';
import type { ActOutcome } from '../../connectors/enforcement/enforcer.ts';
import type { TraceLine, TraceSummary } from '../../introspection/trace/trace-event.ts';
import type { VmWatch } from '../watch/vm-watch.ts';
import { actsInline } from './inline-judge.ts';
import { TracedVm } from './traced-vm.ts';
import type { StartTracer } from './tracer-messages.ts';
import type { TraceGround } from './vm-trace.ts';

export interface TracingsListener {
  news(vm: string, events: readonly RawEvent[]): void;
  /** Refused, or held: judged already. */
  found(finding: Finding): void;
  remedy(remediation: Remediation): void;
  guard(event: GuardEvent): void;
}

export interface TracingsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly startTracer: StartTracer;
  readonly prepare: (watch: VmWatch) => Promise<Result<TraceGround>>;
  readonly inForce: (vm: string) => Manifest | null;
  readonly settled: (remediation: string) => boolean;
  readonly holdMs: number;
  /** After how long without a trace that a manifest asks for a person is told. */
  readonly lostMs: number;
  readonly listener: TracingsListener;
}

/** Somebody who follows a trace as it comes. */
export interface Follower {
  line(line: TraceLine): void;
  /** What came of the whole trace so far, which may have begun before anybody followed it. */
  progress(summary: TraceSummary | null, state: TraceState['state']): void;
  /** No trace could be had, or none any more. */
  ended(why: string): void;
}

export interface Following {
  /** What the trace had cost when the following began. */
  readonly before: TraceSummary | null;
  readonly state: TraceState['state'];
  leave(): void;
}

const followersMax = 16;

export class Tracings {
  readonly #options: TracingsOptions;
  /** By run of a QEMU process. */
  readonly #traced = new Map<string, TracedVm>();
  readonly #followers = new Map<string, Set<Follower>>();
  /** VMs a hypervisor acts on just now: no trace may stand in the way. */
  readonly #aside = new Set<string>();
  #watches: readonly VmWatch[] = [];
  #closed = false;

  constructor(options: TracingsOptions) {
    this.#options = options;
  }

  /** Starts and ends traces as the manifests, the followers and the guests now ask for; cheap, called twice a second. */
  reconcile(watches: readonly VmWatch[]): void {
    if (this.#closed) return;
    this.#watches = watches;
    const runs = new Set(watches.map(({ entry }) => entry.run));
    for (const [run, traced] of this.#traced) if (!runs.has(run)) void this.#drop(run, traced);
    for (const watch of watches) this.#settle(watch);
  }

  viewOf(run: string): Pick<Vm, 'trace' | 'held'> {
    return this.#traced.get(run)?.view() ?? {};
  }

  /** Follows a VM until `leave` is called; it is traced for that long if it was not already. */
  follow(watch: VmWatch, follower: Follower): Result<Following> {
    const { run, handle } = watch.entry;
    const followers = this.#followers.get(run) ?? new Set();
    if (this.#closed || followers.size >= followersMax)
      return fail(problem('refused', `${handle.name} is followed by ${followers.size} already.`, 'Stop one of them.'));
    this.#followers.set(run, followers.add(follower));
    this.#settle(watch);
    const traced = this.#traced.get(run);
    if (traced === undefined) {
      this.#unfollow(run, follower);
      return fail(problem('refused', `${handle.name} does not run just now.`, 'Resume it, then trace it.'));
    }
    const leave = (): void => {
      this.#unfollow(run, follower);
      this.#settle(watch);
    };
    return ok({ before: traced.summary, state: traced.view().trace?.state ?? 'starting', leave });
  }

  /** Carries out a person's answer to a held attempt. */
  async release(step: Step): Promise<ActOutcome> {
    const traced = this.#of(step.vm);
    const answer = step.answer ?? 'block';
    const none = problem('refused', `Nothing is held on VM ${step.vm}.`, 'Its deadline may have passed.');
    const released = traced === undefined ? fail(none) : await traced.release(answer);
    if (!released.ok) return { state: 'failed', evidence: sayProblem(released.error), problem: released.error };
    return { state: 'done', evidence: `the tracer answered ${answer}, and the guest runs on` };
  }

  /** Ends the VM's trace, so that the hypervisor may stop, save or end it; what answers means that it may come back. */
  async stepAside(vm: string): Promise<() => void> {
    this.#aside.add(vm);
    for (const [run, traced] of this.#traced) if (traced.vm === vm) await this.#drop(run, traced);
    return () => void this.#aside.delete(vm);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#traced].map(([run, traced]) => this.#drop(run, traced)));
  }

  #of(vm: string): TracedVm | undefined {
    return [...this.#traced.values()].find((traced) => traced.vm === vm);
  }

  #unfollow(run: string, follower: Follower): void {
    const followers = this.#followers.get(run);
    followers?.delete(follower);
    if (followers?.size === 0) this.#followers.delete(run);
  }

  #settle(watch: VmWatch): void {
    const { run, id } = watch.entry;
    const traced = this.#traced.get(run);
    const manifest = this.#options.inForce(id);
    const isAsked = manifest?.sight === 'traced';
    const isWanted = (isAsked || this.#followers.has(run)) && !this.#aside.has(id);
    const inline = isAsked && actsInline(manifest);
    if (traced !== undefined && (!isWanted || traced.mustBeginAnew(inline))) return void this.#drop(run, traced);
    traced?.tellAll(this.#followers.has(run));
    if (traced !== undefined) return traced.tend(manifest, isAsked);
    if (!isWanted || !watch.running || this.#closed) return;
    const { listener } = this.#options;
    const begun = new TracedVm({
      ...this.#options,
      listener: {
        ...listener,
        line: (line) => this.#followers.get(run)?.forEach((follower) => follower.line(line)),
        progress: (summary, state) => this.#followers.get(run)?.forEach((it) => it.progress(summary, state)),
      },
      watch,
      inline,
      // Only a manifest that asks for the trace is judged by inside it.
      manifest: isAsked ? manifest : null,
      lost: (why) => this.#lost(run, why),
    });
    this.#traced.set(run, begun);
    begun.tellAll(this.#followers.has(run));
    begun.start();
  }

  /** Who only follows hears that it is over; a manifest's trace is begun again by itself. */
  #lost(run: string, why: string): void {
    const followers = this.#followers.get(run);
    this.#followers.delete(run);
    followers?.forEach((follower) => follower.ended(why));
  }

  async #drop(run: string, traced: TracedVm): Promise<void> {
    if (this.#traced.get(run) === traced) this.#traced.delete(run);
    await traced.close();
    if (!this.#watches.some(({ entry }) => entry.run === run)) this.#lost(run, 'the VM has ended');
  }
}
