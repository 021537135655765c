// Carries out steps on this host's VMs: one at a time per VM, each id once, written down before and after, and reported as
// whatever was read back.
import { createHash } from 'node:crypto';
import { type Clock, isoTime } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Step, Remediation } from '../../model/remediation.ts';
import type { ActOutcome, Enforcer } from '../../connectors/enforcement/enforcer.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { AnswerMemory } from './answer-memory.ts';
import { SnapshotThrift } from './snapshot-thrift.ts';

export interface ExecutorOptions {
  readonly memory: AnswerMemory;
  readonly clock: Clock;
  readonly log: Log;
  /** The enforcer of a VM; a problem when it has none now. */
  readonly enforcer: (vm: string) => Promise<Result<Enforcer>>;
  /** Answers what is held inside the guest. */
  readonly release: (step: Step) => Promise<ActOutcome>;
  /** Carries out what is about the VM's network; null when the step is about something else. */
  readonly network: (step: Step) => Promise<ActOutcome | null>;
  /** Makes way for the hypervisor to stop, save or end the VM; what it answers is called when that is done. */
  readonly stepAside: (vm: string) => Promise<() => void>;
  /** Told of every change of state. */
  readonly report: (remediation: Remediation) => void;
}

export interface Cause {
  readonly origin: Remediation['origin'];
  readonly by: string;
  readonly alarm: string | null;
  readonly group: string | null;
  /** The plan it is a step of. */
  readonly plan?: string;
}

/** A step that ended well is never repeated; one that did not may be tried again so often while its cause goes on. */
const attemptsMax = 3;
const attemptsKept = 10_000;

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #attempts = new RecentMap<string, number>(attemptsKept);
  readonly #snapshots = new SnapshotThrift();

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  /** What became of the step; the same id again answers what became of it the first time. */
  execute(step: Step, cause: Cause): Promise<Result<Remediation>> {
    const before = this.#queues.get(step.vm) ?? Promise.resolve();
    const next = before.then(() => this.#executeNow(step, cause));
    this.#queues.set(step.vm, next);
    void next.finally(() => {
      if (this.#queues.get(step.vm) === next) this.#queues.delete(step.vm);
    });
    return next;
  }

  /** Whether this step was answered for good, so that asking again would change nothing. */
  settled(id: string): boolean {
    const known = this.#options.memory.get(id);
    if (!known.ok || known.value === null) return false;
    const { state } = known.value;
    return state === 'done' || state === 'planned' || (this.#attempts.get(id) ?? 0) >= attemptsMax;
  }

  /** Writes down what was done elsewhere: inside the guest, at the attempt itself. */
  note(remediation: Remediation): void {
    this.#record(remediation);
  }

  /** Writes down that a step is not done, and why: it waits for a person, or is only shown. */
  hold(step: Step, cause: Cause, why: string): void {
    const now = isoTime(this.#options.clock.now());
    this.#record({
      ...begun(step, cause, now),
      state: 'planned',
      evidence: why.slice(0, 4000),
    });
  }

  /** What an earlier run of the sentinel left half-way: nobody read back how it ended. */
  adoptUnfinished(): Result<void> {
    const unfinished = this.#options.memory.unfinished();
    if (!unfinished.ok) return unfinished;
    const endedAt = isoTime(this.#options.clock.now());
    const evidence = 'the sentinel was restarted before the result could be read back';
    for (const remediation of unfinished.value)
      this.#record({ ...remediation, state: 'unconfirmed', evidence, endedAt });
    return ok(undefined);
  }

  /** Resolves when nothing is being carried out any more. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#queues.values());
  }

  async #executeNow(step: Step, cause: Cause): Promise<Result<Remediation>> {
    const known = this.#options.memory.get(step.id);
    if (!known.ok) return known;
    const { value: earlier } = known;
    if (earlier !== null && earlier.origin === cause.origin && (cause.origin === 'person' || earlier.state === 'done'))
      return ok(earlier);
    const attempts = (this.#attempts.get(step.id) ?? 0) + 1;
    if (earlier !== null && attempts > attemptsMax) return ok(earlier);
    this.#attempts.set(step.id, attempts);

    const started = begun(step, cause, isoTime(this.#options.clock.now()));
    // Nothing is done that could not be written down first.
    const recorded = this.#record(started);
    if (!recorded.ok) return recorded;
    const outcome = await this.#act(step, cause);
    const ended: Remediation = {
      ...started,
      state: outcome.state,
      evidence: outcome.evidence.slice(0, 4000),
      endedAt: isoTime(this.#options.clock.now()),
    };
    this.#record(ended);
    this.#options.log.info('step carried out', { vm: step.vm, action: step.action, state: ended.state, why: step.why });
    return ok(ended);
  }

  async #act(step: Step, cause: Cause): Promise<ActOutcome> {
    if (step.action === 'release') return this.#options.release(step);
    const onNetwork = await this.#options.network(step);
    if (onNetwork !== null) return onNetwork;
    const comeBack = await this.#options.stepAside(step.vm);
    return this.#actOnVm(step, cause).finally(comeBack);
  }

  async #actOnVm(step: Step, cause: Cause): Promise<ActOutcome> {
    const enforcer = await this.#options.enforcer(step.vm);
    if (!enforcer.ok) return { state: 'failed', evidence: sayProblem(enforcer.error), problem: enforcer.error };
    if (cause.origin === 'person') return enforcer.value.act(step);
    const nowMs = this.#options.clock.monotonic();
    if (step.action === 'memory-dump') return this.#keepMemory(step, enforcer.value, nowMs);
    if (step.action !== 'snapshot') return enforcer.value.act(step);
    const served = await this.#snapshots.servedBy(step, enforcer.value, nowMs);
    if (served !== null) return served;
    const outcome = await enforcer.value.act(step);
    if (outcome.state === 'done') this.#snapshots.made(step, this.#options.clock.monotonic());
    return outcome;
  }

  async #keepMemory(step: Step, enforcer: Enforcer, nowMs: number): Promise<ActOutcome> {
    const served = this.#snapshots.servedByMemory(step, nowMs);
    if (served !== null) return served;
    const outcome = await enforcer.act(step);
    if (outcome.state === 'done') this.#snapshots.memoryKept(step, outcome.evidence, this.#options.clock.monotonic());
    return outcome;
  }

  #record(remediation: Remediation): Result<void> {
    const kept = this.#options.memory.put(remediation, this.#options.clock.now());
    if (!kept.ok) {
      this.#options.log.error('remediation not written down', { why: sayProblem(kept.error) });
      return fail(
        problem('failed', `Step ${remediation.id} was not carried out: ${kept.error.message}`, kept.error.mend),
      );
    }
    this.#options.report(remediation);
    return kept;
  }
}

/**
 * A standing order's step in one life of its VM. The step alone says what was caused by what; after a reboot or a restore
 * the same cause is a new occurrence and has to be answered again.
 */
export function occurrenceOf(step: Step, incarnation: number): Step {
  if (incarnation <= 1) return step;
  const id = createHash('sha256').update(`${step.id} ${incarnation}`).digest('hex').slice(0, 32);
  if (step.snapshot === undefined) return { ...step, id };
  const snapshot = `${step.snapshot.slice(0, 52)}-${incarnation}`;
  return { ...step, id, snapshot, expect: `snapshot ${snapshot} exists` };
}

function begun(step: Step, cause: Cause, startedAt: string): Remediation {
  return { id: step.id, step, ...cause, state: 'executing', evidence: '', startedAt, endedAt: null };
}
