// What platforms said, as the API shows it: beside each VM, with how old it is.
import type { PlatformSight } from '../../model/platform.ts';
import type { VmView } from '../../model/vm-view.ts';
import type { Desk } from '../desk.ts';
import { platformMeasures } from '../store/platform-measures.ts';
import { platformSightings, vmsOfPlatform } from '../store/platform-vms.ts';
import type { Db } from '../store/tables.ts';
import { isPlatformReporter, vmHosts } from '../store/vms.ts';
import type { PlatformDesk } from './platform-desk.ts';

/** Of one platform, or of all; only of platforms that are configured. */
export async function sightsOf(
  platforms: PlatformDesk,
  db: Db,
  filter: { readonly platform?: string; readonly vm?: string } = {},
): Promise<PlatformSight[]> {
  const stored =
    filter.platform === undefined ? await platformSightings(db, filter.vm) : await vmsOfPlatform(db, filter.platform);
  const hosts = await vmHosts(db);
  const measures = await platformMeasures(db);
  return stored.flatMap(({ platform, vm, sight }) => {
    const hand = platforms.find(platform);
    if (hand === null) return [];
    const { uuid: _, cards, ...said } = sight;
    const held = measures.filter((one) => one.vm === vm && one.platform === platform && !one.lifting);
    return {
      ...said,
      platform,
      kind: hand.platform.kind,
      vm,
      addresses: [...said.addresses],
      tags: [...said.tags],
      attributes: { ...said.attributes },
      cards: cards.map((card) => ({ ...card })),
      isWatched: isWatched(hosts.get(vm)),
      measures: held.map(({ measure, key }) => `${measure.kind} ${key}`),
    };
  });
}

function isWatched(host: { readonly sentinel: string; readonly state: string } | undefined): boolean {
  return host !== undefined && host.state !== 'gone' && !isPlatformReporter(host.sentinel);
}

/** Each VM with what platforms say of it; where only one that is away told of it, that is said. */
export async function withSights(
  { platforms }: Pick<Desk, 'platforms'>,
  db: Db,
  views: readonly VmView[],
): Promise<VmView[]> {
  if (platforms.hands().length === 0) return [...views];
  const [only, ...more] = views;
  const filter = only !== undefined && more.length === 0 ? { vm: only.id } : {};
  const byVm = Map.groupBy(await sightsOf(platforms, db, filter), ({ vm }) => vm);
  return views.map((view) => ({ ...aged(platforms, view), ...sights(byVm.get(view.id)) }));
}

function sights(said: PlatformSight[] | undefined): Pick<VmView, 'platforms'> {
  return said === undefined ? {} : { platforms: said };
}

function aged(platforms: PlatformDesk, view: VmView): VmView {
  const health = view.platform === undefined ? undefined : platforms.find(view.platform)?.health();
  if (health === undefined) return view;
  const lastSeenAt = health.lastReadAt ?? view.lastSeenAt;
  if (health.state !== 'away') return { ...view, lastSeenAt };
  const why = `platform ${health.name} does not answer since ${health.since}; this is what it said before. ${view.why ?? ''}`;
  return { ...view, lastSeenAt, why: why.slice(0, 2000) };
}
