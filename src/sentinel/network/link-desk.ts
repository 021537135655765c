// Cuts VMs off at their cards and holds them to it: which links are to stay down is kept over restarts, read back every few seconds and
// when a VM begins to run, and taken down again where one is up. What comes up again is what was up before.
import { isoTime, type Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { type Problem, sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { ActOutcome, Enforcer } from '../../connectors/enforcement/enforcer.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { Step } from '../../model/remediation.ts';
import type { CutLinks, LinkMemory } from './link-memory.ts';

export interface LinkDeskOptions {
  readonly memory: LinkMemory;
  readonly clock: Clock;
  readonly log: Log;
  readonly guard: (event: GuardEvent) => void;
  /** A problem when the VM does not run here, or cannot be reached. */
  readonly enforcer: (vm: string) => Promise<Result<Enforcer>>;
}

const tellAgainMs = 600_000;

export class LinkDesk {
  readonly #options: LinkDeskOptions;
  readonly #told = new Map<string, number>();
  #cutAgain = 0;
  #last: Promise<unknown> = Promise.resolve();
  #again: Promise<void> | null = null;

  constructor(options: LinkDeskOptions) {
    this.#options = options;
  }

  /** How often a link that is to be down was found up. */
  get cutAgain(): number {
    return this.#cutAgain;
  }

  /** Null = the step is about something else. Never throws. */
  async act(step: Step): Promise<ActOutcome | null> {
    if (step.action === 'cut-link') return this.#inTurn(() => this.#cut(step));
    return step.action === 'restore-link' ? this.#inTurn(() => this.#restore(step)) : null;
  }

  /** Holds the VMs that run to what is wanted. Calls that come while one is under way are answered by one more. */
  reconcile(running: ReadonlySet<string>): Promise<void> {
    this.#again ??= this.#inTurn(async () => {
      this.#again = null;
      const wanted = this.#options.memory.all();
      if (!wanted.ok) this.#options.log.error('cut links cannot be read', { why: sayProblem(wanted.error) });
      for (const one of wanted.ok ? wanted.value : []) if (running.has(one.vm)) await this.#hold(one);
    });
    return this.#again;
  }

  /** A VM has begun to run, with its links up where nothing else holds them. False = it cannot be asked yet. */
  started(vm: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const kept = this.#options.memory.get(vm);
      return kept.ok && kept.value !== null ? await this.#hold(kept.value) : true;
    });
  }

  /** Resolves when nothing is being done any more. */
  async idle(): Promise<void> {
    await this.#last;
  }

  async #cut(step: Step): Promise<ActOutcome> {
    const { memory, clock, enforcer } = this.#options;
    const { vm } = step;
    const found = await enforcer(vm);
    if (!found.ok) return failed(found.error);
    const before = memory.get(vm);
    if (!before.ok) return failed(before.error);
    const cards = await upCards(found.value);
    if (!cards.ok) return failed(cards.error);
    // Kept before it is done: whoever is ended in between finishes it when he is back.
    const all = [...new Set([...(before.value?.cards ?? []), ...cards.value])];
    const kept = memory.put({ vm, step, cards: all }, clock.now());
    if (!kept.ok) return failed(kept.error);
    const outcome = await found.value.act(step);
    if (outcome.state === 'failed' && before.value === null) memory.remove(vm);
    return outcome;
  }

  async #restore(step: Step): Promise<ActOutcome> {
    const { memory, enforcer } = this.#options;
    const found = await enforcer(step.vm);
    if (!found.ok) return failed(found.error);
    const kept = memory.get(step.vm);
    if (!kept.ok) return failed(kept.error);
    // First it is no longer wanted, so that nobody takes it down again in between.
    const forgotten = memory.remove(step.vm);
    if (!forgotten.ok) return failed(forgotten.error);
    const { value } = kept;
    return await found.value.act(value === null ? step : { ...step, cards: [...value.cards] });
  }

  /** False = it cannot be asked now. */
  async #hold(wanted: CutLinks): Promise<boolean> {
    const { memory, clock, log, enforcer } = this.#options;
    const { vm, step, cards } = wanted;
    const found = await enforcer(vm);
    const up = found.ok ? await upCards(found.value) : found;
    if (!found.ok || !up.ok) return false;
    if (up.value.length === 0) return true;
    const outcome = await found.value.act(step);
    if (outcome.state !== 'done') {
      this.#tell(wanted, outcome.evidence);
      return false;
    }
    this.#cutAgain += 1;
    log.warn('link was up and was taken down again', { vm, cards: up.value.join(', ') });
    const all = [...new Set([...cards, ...up.value])];
    if (all.length > cards.length) memory.put({ vm, step, cards: all }, clock.now());
    return true;
  }

  #tell({ vm, step }: CutLinks, why: string): void {
    const { clock, guard } = this.#options;
    const nowMs = clock.monotonic();
    if (nowMs - (this.#told.get(vm) ?? Number.NEGATIVE_INFINITY) < tellAgainMs) return;
    this.#told.set(vm, nowMs);
    guard({
      vm,
      at: isoTime(clock.now()),
      what: 'refusal-failed',
      subject: `cut-link ${step.id}`.slice(0, 256),
      detail: `the links of its cards are to be down and are not: ${why}`.slice(0, 2000),
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work, work);
    this.#last = next;
    return next;
  }
}

/** Names of the cards that are not down for certain. */
async function upCards(enforcer: Enforcer): Promise<Result<readonly string[]>> {
  const cards = await enforcer.readLinks();
  return cards.ok
    ? { ok: true, value: cards.value.filter(({ link }) => link !== 'down').map(({ name }) => name) }
    : cards;
}

function failed(why: Problem): ActOutcome {
  return { state: 'failed', evidence: sayProblem(why).slice(0, 4000), problem: why };
}
