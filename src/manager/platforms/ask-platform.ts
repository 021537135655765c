// What a platform can do to one VM, as it says itself now; what cannot be done on one of the VM's cards cannot be done to the VM.
import type { Ability } from '../../model/plan.ts';
import type { PlannedAction } from '../../model/remediation.ts';
import { type Platform, type PlatformVm, portOf } from '../../connectors/enforcement/platform.ts';

const answerMsMax = 5000;

/** Null = it did not answer in time. */
export async function askPlatform(platform: Platform, sight: PlatformVm): Promise<readonly Ability[] | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), answerMsMax);
  try {
    return await Promise.race([ask(platform, sight), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function ask(platform: Platform, sight: PlatformVm): Promise<readonly Ability[]> {
  const enforcer = platform.enforcer(sight);
  const onVm = enforcer === null ? [] : await enforcer.capabilities();
  const network = platform.network(sight);
  const ofCards = await Promise.all(sight.cards.map(async (card) => await network.capabilities(portOf(sight, card))));
  const onNetwork = (ofCards[0] ?? []).map(({ measure }) => {
    const cannot = ofCards.flat().find((one) => one.measure === measure && !one.available);
    return ability(measure, cannot === undefined, cannot?.why ?? null);
  });
  return [...onVm.map(({ action, available, why }) => ability(action, available, why)), ...onNetwork];
}

function ability(action: PlannedAction, available: boolean, why: string | null): Ability {
  return { action, available, why: why?.slice(0, 2000) ?? null };
}
