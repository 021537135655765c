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
import { hostOfVm, platformReporter, reporterOfVm, saveVm, vmById, vmHosts, type VmHosts } from '../store/vms.ts';

export interface Taken {
  readonly vms: number;
  /** What could not be taken as it was said, and why. */
  readonly gaps: readonly string[];
}

type TakingDesk = Pick<Desk, 'store' | 'clock' | 'log' | 'announcements' | 'seals' | 'closing'>;
/** The kind of each platform that is configured, by name. */
type Kinds = ReadonlyMap<string, PlatformKind>;

export async function takePlatformVms(
  desk: TakingDesk,
  platform: string,
  kinds: Kinds,
  inventory: PlatformInventory,
): Promise<Result<Taken>> {
  const read = await desk.store.read(async (db) => ({
    known: await vmsOfPlatform(db, platform),
    hosts: await vmHosts(db),
  }));
  if (!read.ok) return read;
  const { known, hosts } = read.value;
  if (inventory.vms.length === 0 && known.length > 0)
    return ok({ vms: known.length, gaps: [lostRights(known.length)] });
  const { named, gaps } = nameVms(platform, inventory.vms);
  const fresh = whatIsNew(known, named, hosts);
  const before = new Map(known.map((one) => [one.sight.id, one.vm]));
  // Some at a time, so that nobody else waits long for the store.
  for (let from = 0; from < fresh.length; from += atOnce)
    if (!desk.closing.aborted) {
      const some = fresh.slice(from, from + atOnce);
      const taken = await inTurn(desk, platform, async (turn) => {
        for (const one of some) await takeSighting({ desk, turn, platform, kinds }, one, before.get(one.sight.id));
      });
      if (!taken.ok) return taken;
    }
  const listed = new Set(named.map(({ sight }) => sight.id));
  const missing = inventory.isCut ? [] : known.filter(({ sight }) => !listed.has(sight.id));
  if (missing.length > 0) {
    const taken = await inTurn(desk, platform, async (turn) => {
      await takeAway({ desk, turn, platform, kinds }, missing);
    });
    if (!taken.ok) return taken;
  }
  return ok({ vms: named.length, gaps });
}

const atOnce = 200;

function lostRights(before: number): string {
  return `It lists no VM any more, and listed ${before} before: its account may have lost its rights. They are kept as they were.`;
}

async function inTurn(desk: TakingDesk, platform: string, work: (turn: Turn) => Promise<void>): Promise<Result<null>> {
  const act = { by: `platform ${platform}`, verb: 'platform.read', subject: platform, silent: true } as const;
  return await change(desk, act, async (turn) => {
    await work(turn);
    turn.announce({ kind: 'inventory' });
    return ok(null);
  });
}

/** A platform that is configured no more knows no VMs any more. */
export async function forgetPlatforms(desk: TakingDesk, kinds: Kinds): Promise<Result<null>> {
  const act = { by: 'manager', verb: 'platform.forget', subject: 'start', silent: true } as const;
  return await change(desk, act, async (turn) => {
    const all = await platformSightings(turn.db);
    for (const platform of new Set(all.map((one) => one.platform)))
      if (!kinds.has(platform)) {
        await takeAway({ desk, turn, platform, kinds }, await vmsOfPlatform(turn.db, platform));
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
}

/** What was not said before, and what nobody else says any more. */
function whatIsNew(
  known: readonly StoredPlatformVm[],
  named: readonly StoredPlatformVm[],
  hosts: VmHosts,
): readonly StoredPlatformVm[] {
  const before = new Map(known.map((one) => [one.sight.id, JSON.stringify([one.vm, one.sight])]));
  return named.filter(
    (one) => before.get(one.sight.id) !== JSON.stringify([one.vm, one.sight]) || isLeft(hosts.get(one.vm)),
  );
}

/** Whoever reported it does not see it any more. */
function isLeft(host: { readonly state: string } | undefined): boolean {
  return host === undefined || host.state === 'gone';
}

/** Nobody else sees it. */
function isOurs(
  platform: string,
  host: { readonly sentinel: string; readonly state: string } | null | undefined,
): boolean {
  return host == null || host.sentinel === platformReporter(platform) || host.state === 'gone';
}

/** `before`: what it was called before; a clone of its UUID gives it another name. */
async function takeSighting(taking: Taking, one: StoredPlatformVm, before: string | undefined): Promise<void> {
  const { turn, platform } = taking;
  await savePlatformVm(turn.db, one);
  if (before !== undefined && before !== one.vm) await leaveVm(taking, before);
  if (isOurs(platform, await hostOfVm(turn.db, one.vm))) await takeOver(taking, one);
}

async function takeAway(taking: Taking, missing: readonly StoredPlatformVm[]): Promise<void> {
  const { turn, platform } = taking;
  for (const { vm, sight } of missing) {
    await forgetPlatformVm(turn.db, platform, sight.id);
    await leaveVm(taking, vm);
  }
}

/** The platform has no VM of that name any more: another that knows it tells of it from now on, or it is gone. */
async function leaveVm(taking: Taking, vm: string): Promise<void> {
  const { turn, platform } = taking;
  if ((await reporterOfVm(turn.db, vm)) !== platformReporter(platform)) return;
  const [other] = await platformSightings(turn.db, vm);
  if (other !== undefined) await takeOver(taking, other);
  else await endVm(turn, platform, vm);
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
        vm: isAlone ? (sight.uuid ?? '') : `name:${platform}/${sight.id}`,
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
