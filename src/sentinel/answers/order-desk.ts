// Takes a person's signed order: verified, not expired, for a VM of this host, carried out once.
import type { Clock } from '../../kit/clock.ts';
import { problem } from '../../kit/problem.ts';
import { fail, type Result } from '../../kit/result.ts';
import type { SealedManifest } from '../../model/manifest.ts';
import type { Remediation, Step } from '../../model/remediation.ts';
import type { TrustedKeys } from '../../protocols/dsse/keys.ts';
import type { Executor } from './executor.ts';
import { openInstruction } from '../vault/sealed-instruction.ts';

export interface OrderDesk {
  readonly trusted: TrustedKeys;
  readonly clock: Clock;
  readonly executor: Pick<Executor, 'execute'>;
  readonly knows: (step: Step) => boolean;
}

export async function takeOrder(envelope: SealedManifest, desk: OrderDesk): Promise<Result<Remediation>> {
  const opened = openInstruction(envelope, desk.trusted);
  if (!opened.ok) return opened;
  if (opened.value.kind !== 'order')
    return fail(
      problem('refused', `A signed ${opened.value.kind} was handed over as an order.`, 'Install it instead.'),
    );
  const { step, by, alarm, expiresAt } = opened.value.order;
  // An expired order never runs, so that one that was kept back cannot be played later.
  if (desk.clock.now() >= Date.parse(expiresAt))
    return fail(
      problem('refused', `The order to ${step.action} VM ${step.vm} expired at ${expiresAt}.`, 'Order it again.'),
    );
  if (!desk.knows(step))
    return fail(
      problem('not-found', `VM ${step.vm} does not run on this host.`, 'Check where it runs, then order it again.'),
    );
  return desk.executor.execute(step, { origin: 'person', by, alarm, group: null });
}
