// What a platform says of its VMs, into the store. A VM that a sentinel sees stays the sentinel's; one that only a platform knows
// joins the inventory as a VM of which nothing is watched. An answer that is not whole takes nothing away.
import { ok, type Result } from '../../kit/result.ts';
import type { PlatformKind } from '../../model/platform.ts';
import type { Vm } from '../../model/vm.ts';
import type { PlatformInventory, PlatformVm } from '../../connectors/enforcement/platform.ts';
import { change, type Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { greet } from '../intent/membership.ts';
import {
  forgetPlatformVm,
  platformSightings,
  savePlatformVm,
  type StoredPlatformVm,
  vmsOfPlatform,
} from '../store/platform-vms.ts';
import { platformReporter, reporterOfVm, saveVm, vmById, vmHosts, type VmHosts } from '../store/vms.ts';

export interface Taken {
  readonly vms: number;
  /** What could not be taken as it was said, and why. */
  readonly gaps: readonly string[];
}

type TakingDesk = Pick<Desk, 'store' | 'clock' | 'log' | 'announcements' | 'seals'>;
/** The kind of each platform that is configured, by name. */
type Kinds = ReadonlyMap<string, PlatformKind>;

export async function takePlatformVms(
  desk: TakingDesk,
  platform: string,
  kinds: Kinds,
  inventory: PlatformInventory,
): Promise<Result<Taken>> {
  const act = { by: `platform ${platform}`, verb: 'platform.read', subject: platform, silent: true } as const;
  return await change(desk, act, async (turn) => {
    const known = await vmsOfPlatform(turn.db, platform);
    if (inventory.vms.length === 0 && known.length > 0)
      return ok({
        vms: known.length,
        gaps: [
          `It lists no VM any more, and listed ${known.length} before: its account may have lost its rights. They are kept as they were.`,
        ],
      });
    const { named, gaps } = nameVms(platform, inventory.vms);
    const taking: Taking = { desk, turn, platform, kinds, hosts: await vmHosts(turn.db) };
    let isNews = await takeListed(taking, known, named);
    if (!inventory.isCut) isNews = (await takeMissing(taking, known, named)) || isNews;
    if (isNews) turn.announce({ kind: 'inventory' });
    return ok({ vms: named.length, gaps });
  });
}

/** A platform that is configured no more knows no VMs any more. */
export async function forgetPlatforms(desk: TakingDesk, kinds: Kinds): Promise<Result<null>> {
  const act = { by: 'manager', verb: 'platform.forget', subject: 'start', silent: true } as const;
  return await change(desk, act, async (turn) => {
    const all = await platformSightings(turn.db);
    for (const platform of new Set(all.map((one) => one.platform)))
      if (!kinds.has(platform)) {
        const taking: Taking = { desk, turn, platform, kinds, hosts: new Map() };
        await takeMissing(taking, await vmsOfPlatform(turn.db, platform), []);
        await turn.record('platform.forget', platform, 'it is not configured any more; its VMs are taken out');
      }
    return ok(null);
  });
}

interface Taking {
  readonly desk: TakingDesk;
  readonly turn: Turn;
  readonly platform: string;
  readonly kinds: Kinds;
  readonly hosts: VmHosts;
}

/** Whether anything is new. */
async function takeListed(
  taking: Taking,
  known: readonly StoredPlatformVm[],
  named: readonly StoredPlatformVm[],
): Promise<boolean> {
  const { turn, hosts, platform } = taking;
  const before = new Map(known.map((one) => [one.sight.id, JSON.stringify([one.vm, one.sight])]));
  let isNews = false;
  for (const one of named) {
    const isSame = before.get(one.sight.id) === JSON.stringify([one.vm, one.sight]);
    const host = hosts.get(one.vm);
    const isOurs = host === undefined || host.sentinel === platformReporter(platform) || host.state === 'gone';
    if (isSame && (!isOurs || (host !== undefined && host.state !== 'gone'))) continue;
    isNews = true;
    await savePlatformVm(turn.db, one);
    if (isOurs) await takeOver(taking, one);
  }
  return isNews;
}

/** Whether anything was taken away. */
async function takeMissing(
  taking: Taking,
  known: readonly StoredPlatformVm[],
  named: readonly StoredPlatformVm[],
): Promise<boolean> {
  const { turn, platform } = taking;
  const listed = new Set(named.map(({ sight }) => sight.id));
  const missing = known.filter(({ sight }) => !listed.has(sight.id));
  for (const { vm, sight } of missing) {
    await forgetPlatformVm(turn.db, platform, sight.id);
    if ((await reporterOfVm(turn.db, vm)) !== platformReporter(platform)) continue;
    const [other] = await platformSightings(turn.db, vm);
    if (other !== undefined) await takeOver(taking, other);
    else await endVm(turn, platform, vm);
  }
  return missing.length > 0;
}

async function endVm({ db }: Turn, platform: string, id: string): Promise<void> {
  const vm = await vmById(db, id);
  if (vm !== null)
    await saveVm(db, platformReporter(platform), { ...vm, state: 'gone', why: 'its platform lists it no more' });
}

async function takeOver({ desk, turn, kinds }: Taking, { platform, vm: id, sight }: StoredPlatformVm): Promise<void> {
  const kind = kinds.get(platform);
  if (kind === undefined) return;
  const vm = vmOf(platform, kind, id, sight, turn.at);
  await saveVm(turn.db, platformReporter(platform), vm);
  const greeted = await greet(desk.seals, turn, vm);
  if (!greeted.ok)
    desk.log.warn('a VM of a platform could not join its service', { vm: id, why: greeted.error.message });
}

const textMax = 256;

function vmOf(platform: string, kind: PlatformKind, id: string, sight: PlatformVm, at: string): Vm {
  const unsaid = sight.state === 'unknown' ? '; the platform does not say whether it runs' : '';
  return {
    id,
    name: sight.name.slice(0, textMax).toWellFormed(),
    host: (sight.host ?? platform).slice(0, textMax).toWellFormed(),
    hypervisor: kind,
    platform,
    pid: null,
    state: states[sight.state],
    why: `no sentinel sees it: it is known from platform ${platform} only, and nothing inside it is watched${unsaid}`,
    kernel: null,
    hostname: null,
    bootedAt: null,
    attachMs: null,
    processes: null,
    sockets: null,
    lastSeenAt: at,
  };
}

const states = { running: 'running', suspended: 'paused', off: 'off', unknown: 'unreadable' } as const;
const idForm = /^[^#\n\r\u2028\u2029]{1,100}$/;
const listMax = 256;

/**
 * Our id of each VM: its UUID, where it is the only one to have it; otherwise the platform's name and its own id. Two VMs of one
 * UUID are told apart, since what is ordered for one would reach the other.
 */
export function nameVms(
  platform: string,
  vms: readonly PlatformVm[],
): { readonly named: readonly StoredPlatformVm[]; readonly gaps: readonly string[] } {
  const counts = new Map<string, number>();
  for (const { uuid } of vms) if (uuid !== null) counts.set(uuid, (counts.get(uuid) ?? 0) + 1);
  const gaps = [...counts]
    .filter(([, count]) => count > 1)
    .map(
      ([uuid, count]) =>
        `${count} VMs have the UUID ${uuid}: they are told apart by their ids, and joined to no sentinel's.`,
    );
  const unnamed = vms.filter(({ id }) => !idForm.test(id)).length;
  if (unnamed > 0) gaps.push(`${unnamed} VMs have ids that cannot be names, and were left out.`);
  const named = vms
    .filter(({ id }) => idForm.test(id))
    .map((sight) => {
      const isAlone = sight.uuid !== null && counts.get(sight.uuid) === 1;
      return {
        platform,
        vm: isAlone ? (sight.uuid ?? '') : `name:${platform.slice(0, 27)}/${sight.id}`,
        sight: bounded(sight),
      };
    });
  return { named, gaps };
}

/** Cards are all kept: a quarantine must reach every one. */
function bounded(sight: PlatformVm): PlatformVm {
  return {
    ...sight,
    addresses: sight.addresses.slice(0, listMax),
    tags: sight.tags.slice(0, listMax),
    attributes: Object.fromEntries(Object.entries(sight.attributes).slice(0, listMax)),
  };
}
