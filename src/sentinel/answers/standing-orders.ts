// Answers findings from the orders that came with the manifest, also while the manager is away: the planner decides what is done
// and what waits for a person; this carries it out, step by step.
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { ok, type Result } from '../../kit/result.ts';
import type { Finding } from '../../model/finding.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { Ability, Plan } from '../../model/plan.ts';
import type { Rule } from '../../model/rule.ts';
import { guardWeight } from '../../stages/assess/guard-weights.ts';
import { isDisruptive } from '../../stages/respond/action-traits.data.ts';
import { limitsOf } from '../../stages/respond/blast-radius.ts';
import type { Proposal } from '../../stages/respond/make-plan.ts';
import { groupOfGuard, rulesFor, rulesForTampering } from '../../stages/respond/match-rules.ts';
import { plansForFinding, plansForTampering, type RulePlanning } from '../../stages/respond/plan-by-rules.ts';
import type { Database } from '../database.ts';
import { always } from './abilities.ts';
import { type Cause, type Executor, occurrenceOf } from './executor.ts';
import { PlanMemory } from './plan-memory.ts';
import { PlanWalker } from './plan-walker.ts';
import { RecentDisruptions } from './recent-disruptions.ts';

export interface ServiceMembers {
  readonly members: number;
  readonly othersRunning: number;
}

export interface StandingOrdersOptions {
  readonly executor: Executor;
  readonly clock: Clock;
  readonly log: Log;
  readonly host: string;
  readonly incarnation: (vm: string) => number;
  readonly members: (manifest: Manifest) => ServiceMembers;
  readonly abilities: (vm: string) => Promise<Result<readonly Ability[]>>;
  readonly database: Database;
}

/** One thing after another about one cause; so many causes at once. */
const underWayMax = 1000;

export class StandingOrders {
  readonly #options: StandingOrdersOptions;
  readonly #walker: PlanWalker;
  readonly #recent = new RecentDisruptions();
  readonly #underWay = new Set<string>();
  #notAnswered = 0;

  constructor(options: StandingOrdersOptions) {
    this.#options = options;
    const { executor, clock, log, database } = options;
    this.#walker = new PlanWalker({ executor, clock, log, memory: new PlanMemory(database) });
  }

  /** Goes on with what an earlier run left under way on VMs that are here now. */
  resume(isHere: (vm: string) => boolean): void {
    this.#walker.resume(isHere);
  }

  /** Causes that came while too many others were being answered. */
  get notAnswered(): number {
    return this.#notAnswered;
  }

  /** Begins whatever the orders say; returns at once. Only a VM in protect mode is answered. */
  answer(finding: Finding, manifest: Manifest): void {
    const rules = rulesFor(finding, manifest.orders);
    this.#begin(finding.group, manifest, rules, (by) => plansForFinding(finding, rules, by));
  }

  /** The same for a guest that was tampered with. */
  answerTampering(event: GuardEvent, manifest: Manifest): void {
    const { severity } = guardWeight(event.what);
    const rules = rulesForTampering(event, severity, manifest.orders);
    this.#begin(groupOfGuard(event), manifest, rules, (by) => plansForTampering(event, severity, rules, by));
  }

  #begin(
    group: string,
    manifest: Manifest,
    rules: readonly Rule[],
    plansOf: (by: RulePlanning) => readonly Proposal[],
  ): void {
    if (manifest.mode !== 'protect' || rules.length === 0) return;
    const key = `${manifest.vm} ${group}`;
    // The same cause again while it is being answered is answered by that.
    if (this.#underWay.has(key)) return;
    if (this.#underWay.size >= underWayMax) {
      this.#notAnswered += 1;
      return;
    }
    this.#underWay.add(key);
    void this.#answer(group, manifest, rules, plansOf).finally(() => this.#underWay.delete(key));
  }

  async #answer(
    group: string,
    manifest: Manifest,
    rules: readonly Rule[],
    plansOf: (by: RulePlanning) => readonly Proposal[],
  ): Promise<void> {
    const { vm } = manifest;
    const asked = rules.flatMap((rule) => [rule.action, ...(rule.also ?? [])]);
    const isPlain = asked.every((action) => action === 'alert' || always.some((one) => one.action === action));
    const able = isPlain ? ok(always) : await this.#options.abilities(vm);
    for (const proposal of plansOf(this.#planning(manifest, able.ok ? able.value : null))) {
      if (proposal.plan === null) this.#options.log.info('nothing to be done', { vm, why: sayDecisions(proposal) });
      else await this.#carryOut(proposal.plan, group, manifest);
    }
  }

  #planning(manifest: Manifest, abilities: readonly Ability[] | null): RulePlanning {
    const { clock, host, members } = this.#options;
    const { scope, service } = manifest;
    const policy = manifest.response ?? {};
    const nowMs = clock.now();
    return {
      alarm: null,
      consent: 'automatic',
      nowMs,
      ground: {
        policy,
        abilities,
        // What is true of the VM is asked of its hypervisor and its switch when a step is carried out.
        answered: { inForce: [], lifted: [] },
        standing: { scope, service, host, ...members(manifest) },
        recent: this.#recent.within(limitsOf(policy).minutes, nowMs),
      },
    };
  }

  async #carryOut(planned: Plan, group: string, manifest: Manifest): Promise<void> {
    const { executor, incarnation, clock, host } = this.#options;
    const life = incarnation(manifest.vm);
    const steps = planned.steps.map((step) => occurrenceOf(step, life));
    if (steps.every((step) => executor.settled(step.id))) return;
    const cause: Cause = { origin: 'standing-order', by: 'sentinel', alarm: null, group, plan: planned.id };
    const held = planned.dryRun ? 'dry run: planned, not done' : `waits for a person: ${planned.objections.join('; ')}`;
    if (planned.dryRun || planned.consent === 'approval')
      return steps.filter(({ id }) => !executor.settled(id)).forEach((step) => executor.hold(step, cause, held));
    const { scope, service, vm } = manifest;
    const disrupts = steps.some((step) => isDisruptive(step.action));
    // Before anything is done: two VMs that are answered at once must see each other.
    if (disrupts) this.#recent.note({ vm, scope, service, host, atMs: clock.now() });
    // Further attempts come with further findings of the same cause.
    await this.#walker.walk({ ...planned, steps, attemptsMax: 1 }, cause);
  }
}

function sayDecisions({ decisions }: Proposal): string {
  return decisions.map(({ action, why }) => `${action}: ${why}`).join('; ');
}
