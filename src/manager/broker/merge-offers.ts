// Who does what to a VM, of those who could: its sentinel, which sits beside it, before any platform; of platforms one that does it
// at no price to others before one that does; otherwise in the order of the configuration. Pure.
import type { Ability } from '../../model/plan.ts';
import { type PlannedAction, plannedActions } from '../../model/remediation.ts';

/** One who knows the VM, and what he can do to it. */
export interface Offer {
  /** `sentinel host1`, `platform dc-west`. */
  readonly by: string;
  /** Null = the sentinel. */
  readonly platform: string | null;
  /** Null = he cannot be asked now, and `why` says so. */
  readonly abilities: readonly Ability[] | null;
  readonly why: string;
  readonly prices: Partial<Readonly<Record<PlannedAction, string>>>;
}

/** Null = none of them can do it now. */
export function offerFor(offers: readonly Offer[], action: PlannedAction): Offer | null {
  const able = offers.filter(({ abilities }) => abilities?.some((one) => one.action === action && one.available));
  return (
    able.find(({ platform }) => platform === null) ??
    able.find(({ prices }) => prices[action] === undefined) ??
    able[0] ??
    null
  );
}

/** What can be done at all, by whom, and why by him. Null = nobody can be asked. */
export function mergeOffers(offers: readonly Offer[]): readonly Ability[] | null {
  if (offers.every(({ abilities }) => abilities === null)) return null;
  return plannedActions.flatMap((action) => {
    if (action === 'lift') return [];
    const chosen = offerFor(offers, action);
    const others = offers.filter((one) => one !== chosen).flatMap((one) => sayWhyNot(one, action));
    if (chosen === null) return { action, available: false, why: short(others.join('; ')) };
    const price = chosen.prices[action];
    const how = chosen.abilities?.find((one) => one.action === action)?.why ?? undefined;
    const reasons = [how, ...others, price].filter((one) => one !== undefined);
    return { action, available: true, why: reasons.length === 0 ? null : short(reasons.join('; ')), by: chosen.by };
  });
}

/** Nothing for one who could do it as well. */
function sayWhyNot({ by, abilities, why }: Offer, action: PlannedAction): string[] {
  if (abilities === null) return [`${by}: ${why}`];
  const ability = abilities.find((one) => one.action === action);
  if (ability?.available === true) return [];
  return [`${by}: ${ability?.why ?? 'offers nothing of the kind'}`];
}

function short(text: string): string | null {
  return text === '' ? null : text.slice(0, 2000).toWellFormed();
}
