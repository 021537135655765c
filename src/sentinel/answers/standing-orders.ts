// Answers findings from the orders that came with the manifest, also while the manager is away: what to do is decided by the
// rules alone, how far it may go by the blast radius.
import type { Clock } from '../../kit/clock.ts';
import type { Finding } from '../../model/finding.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { Step } from '../../model/remediation.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import { guardWeight } from '../../stages/assess/guard-weights.ts';
import { groupOfGuard, respond, respondToTampering } from '../../stages/respond/respond.ts';
import type { BlastRadius } from './blast-radius.ts';
import { type Executor, occurrenceOf } from './executor.ts';

export interface ServiceMembers {
  readonly members: number;
  readonly othersRunning: number;
}

export interface StandingOrdersOptions {
  readonly executor: Executor;
  readonly radius: BlastRadius;
  readonly clock: Clock;
  readonly incarnation: (vm: string) => number;
  readonly members: (manifest: Manifest) => ServiceMembers;
}

export class StandingOrders {
  readonly #options: StandingOrdersOptions;

  constructor(options: StandingOrdersOptions) {
    this.#options = options;
  }

  /** Begins whatever the orders say; returns at once. Only a VM in protect mode is answered. */
  answer(finding: Finding, manifest: Manifest): void {
    if (manifest.mode !== 'protect') return;
    const incarnation = this.#options.incarnation(manifest.vm);
    for (const step of respond(finding, manifest.orders))
      this.#answer(occurrenceOf(step, incarnation), finding.group, manifest);
  }

  /** The same for a guest that was tampered with. */
  answerTampering(event: GuardEvent, manifest: Manifest): void {
    if (manifest.mode !== 'protect') return;
    const incarnation = this.#options.incarnation(manifest.vm);
    const { severity } = guardWeight(event.what);
    for (const step of respondToTampering(event, severity, manifest.orders, 'automatic'))
      this.#answer(occurrenceOf(step, incarnation), groupOfGuard(event), manifest);
  }

  #answer(step: Step, group: string, manifest: Manifest): void {
    const { executor, radius, clock, members } = this.#options;
    if (executor.settled(step.id)) return;
    const cause = { origin: 'standing-order', by: 'sentinel', alarm: null, group } as const;
    if (step.action === 'suspend' || step.action === 'power-off') {
      const service = `${manifest.scope}/${manifest.service}`;
      const objection = radius.admit({ vm: manifest.vm, service, ...members(manifest), nowMs: clock.monotonic() });
      if (objection !== null) return executor.hold(step, cause, objection);
    }
    void executor.execute(step, cause);
  }
}
