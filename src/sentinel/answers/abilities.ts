// What can be done about a VM from this host, in the planner's words.
import type { Ability } from '../../model/plan.ts';
import type { Enforcer } from '../../connectors/enforcement/enforcer.ts';

/** What every hypervisor does without being asked first, so that stopping a VM waits for no question. */
export const always: readonly Ability[] = [
  { action: 'suspend', available: true, why: null },
  { action: 'resume', available: true, why: null },
];

export async function abilitiesOf(enforcer: Enforcer): Promise<readonly Ability[]> {
  const offered = await enforcer.capabilities();
  return offered.map(({ action, available, why }) => ({ action, available, why }));
}
