// Asks everybody who knows a VM what he can do to it now: its sentinel, and the platforms that list it.
import { sayProblem } from '../../kit/problem.ts';
import { ok, type Result } from '../../kit/result.ts';
import type { Desk } from '../desk.ts';
import { askPlatform } from '../platforms/ask-platform.ts';
import type { PlatformHand } from '../platforms/platform-desk.ts';
import { platformSightings, type StoredPlatformVm } from '../store/platform-vms.ts';
import { sentinelOfVm } from '../store/vms.ts';
import { askAbilities } from './ground.ts';
import type { Offer } from './merge-offers.ts';

/** Empty = nobody knows the VM. */
export async function offersFor(desk: Desk, vm: string): Promise<Result<readonly Offer[]>> {
  const read = await desk.store.read(async (db) => ({
    sentinel: await sentinelOfVm(db, vm),
    sightings: await platformSightings(db, vm),
  }));
  if (!read.ok) return read;
  const { sentinel, sightings } = read.value;
  const known = handsOf(desk, sightings);
  const offers = await Promise.all([
    ...(sentinel === null ? [] : [offerOfSentinel(desk, sentinel, vm)]),
    ...known.map(async (one) => await offerOfPlatform(one, rivalsOf(one, known))),
  ]);
  return ok(offers);
}

export interface KnownBy {
  readonly hand: PlatformHand;
  readonly sighting: StoredPlatformVm;
}

/** In the order of the configuration. */
export function handsOf({ platforms }: Pick<Desk, 'platforms'>, sightings: readonly StoredPlatformVm[]): KnownBy[] {
  return platforms.hands().flatMap((hand) => {
    const sighting = sightings.find((one) => one.platform === hand.name);
    return sighting === undefined ? [] : [{ hand, sighting }];
  });
}

/** Others that run a VM of that UUID too: which of them is the one that was meant nobody can tell. */
export function rivalsOf({ hand, sighting }: KnownBy, known: readonly KnownBy[]): string[] {
  if (hand.platform.enforcer(sighting.sight) === null) return [];
  return known
    .filter((other) => other.hand !== hand && other.hand.platform.enforcer(other.sighting.sight) !== null)
    .map((other) => other.hand.name);
}

export async function offerOfSentinel(desk: Desk, sentinel: string, vm: string): Promise<Offer> {
  const able = await askAbilities(desk, vm);
  const by = `sentinel ${sentinel}`;
  if (able.ok) return { by, platform: null, abilities: able.value, why: '', prices: {} };
  return { by, platform: null, abilities: null, why: able.error.message, prices: {} };
}

async function offerOfPlatform({ hand, sighting }: KnownBy, rivals: readonly string[]): Promise<Offer> {
  const { name, platform, prices } = hand;
  const none = { by: `platform ${name}`, platform: name, abilities: null, prices } as const;
  if (rivals.length > 0) return { ...none, why: `platform ${rivals.join(', ')} has a VM of the same UUID too` };
  const { state, since, why } = hand.health();
  if (state === 'away') return { ...none, why: `it does not answer since ${since}: ${why ?? ''}` };
  try {
    const abilities = await askPlatform(platform, sighting.sight);
    return abilities === null ? { ...none, why: 'it did not answer in time' } : { ...none, abilities, why: '' };
  } catch (thrown) {
    return { ...none, why: sayProblem({ kind: 'failed', message: String(thrown) }) };
  }
}
