// The VMs that an NSX manager knows: names, power, hosts, addresses, tags and cards, as its hosts report them.
// Source: NSX-T Data Center REST API, types VirtualMachine, VirtualNetworkInterface, SegmentPort.
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { sayProblem } from '../../../kit/problem.ts';
import { ok, type Result } from '../../../kit/result.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import { listNsx } from '../../../protocols/nsx/nsx-list.ts';
import { inventoryPath, policyPath } from '../../../protocols/nsx/nsx-path.ts';
import { type PlatformInventory, type PlatformVm, shortText, uuidOf } from '../platform.ts';
import { cardsOf } from './filtered-cards.ts';
import { tagsOf } from './vm-tag.ts';

const vmPagesMax = 20;
const cardPagesMax = 40;
const addressesMax = 64;

export async function listNsxVms(client: NsxClient): Promise<Result<PlatformInventory>> {
  const [machines, interfaces, ports] = await Promise.all([
    listNsx(client, inventoryPath(['fabric', 'virtual-machines']), vmPagesMax),
    listNsx(client, inventoryPath(['fabric', 'vifs']), cardPagesMax),
    listNsx(client, policyPath(['search', 'query'], { query: 'resource_type:SegmentPort' }), cardPagesMax),
  ]);
  if (!machines.ok) return machines;
  const gaps: string[] = [];
  if (!interfaces.ok) gaps.push(`Network cards could not be read: ${sayProblem(interfaces.error)}`);
  else if (interfaces.value.isCut) gaps.push('There are more network cards than were read.');
  if (!ports.ok) gaps.push(`Names of networks could not be read: ${sayProblem(ports.error)}`);
  // Edges and service appliances are NSX's own: nothing is to be done to them.
  const known = machines.value.items.filter((vm) => (asText(vm['type']) ?? 'REGULAR') === 'REGULAR' && idOf(vm) !== '');
  const uuids = distinctUuids(known, gaps);
  const cards = groupedByVm(interfaces.ok ? interfaces.value.items : []);
  const networks = networksByAttachment(ports.ok ? ports.value.items : []);
  const vms = known.map((vm) => vmOf(vm, uuids.get(idOf(vm)) ?? null, cards.get(idOf(vm)) ?? [], networks));
  return ok({ vms, isCut: machines.value.isCut, gaps });
}

function vmOf(
  vm: JsonObject,
  uuid: string | null,
  interfaces: readonly JsonObject[],
  networks: ReadonlyMap<string, string>,
): PlatformVm {
  const cards = cardsOf(interfaces);
  const source = asText(asObject(vm['source'])?.['target_display_name']) ?? asText(vm['host_id']);
  return {
    id: idOf(vm),
    name: shortText(asText(vm['display_name']) ?? idOf(vm)),
    uuid,
    state: stateOf(asText(vm['power_state']) ?? ''),
    host: source === null ? null : shortText(source),
    addresses: addressesOf(cards.flatMap(({ addresses }) => addresses)),
    tags: tagsOf(vm).map(({ scope, tag }) => shortText(scope === '' ? tag : `${scope}|${tag}`)),
    attributes: attributesOf(vm),
    cards: cards.map(({ id, mac, attachment }) => ({
      id,
      mac,
      network: attachment === null ? '' : shortText(networks.get(attachment) ?? attachment),
      isConnected: attachment !== null,
    })),
  };
}

function idOf(vm: JsonObject): string {
  return asText(vm['external_id']) ?? '';
}

/**
 * By NSX's id: the UUID of the firmware, by which vSphere and hypervisors name a VM, or else vCenter's own. A copy of a VM may have
 * the UUID of the first: whom of the two it means is not guessed.
 */
function distinctUuids(machines: readonly JsonObject[], gaps: string[]): ReadonlyMap<string, string> {
  const owners = new Map<string, readonly JsonObject[]>();
  for (const vm of machines) {
    const ids = computeIds(vm);
    const uuid = uuidOf(ids.get('biosUuid') ?? null) ?? uuidOf(ids.get('instanceUuid') ?? null);
    if (uuid !== null) owners.set(uuid, [...(owners.get(uuid) ?? []), vm]);
  }
  const shared = [...owners.values()].filter((vms) => vms.length > 1).length;
  if (shared > 0) gaps.push(`${shared} UUIDs belong to more than one VM each, and name none of them.`);
  return new Map([...owners].flatMap(([uuid, [vm, other]]) => (vm && other === undefined ? [[idOf(vm), uuid]] : [])));
}

/** `biosUuid:420e72c9-...` and the like. */
function computeIds(vm: JsonObject): ReadonlyMap<string, string> {
  const pairs = asList(vm['compute_ids'], 32).flatMap((text) => {
    const found = /^([A-Za-z]{1,32}):(.{1,128})$/.exec(asText(text) ?? '');
    return found === null ? [] : [[found[1] ?? '', found[2] ?? ''] as const];
  });
  return new Map(pairs);
}

function attributesOf(vm: JsonObject): Readonly<Record<string, string>> {
  const instance = computeIds(vm).get('instanceUuid');
  const system = asText(asObject(vm['guest_info'])?.['os_name']);
  return {
    ...(instance === undefined ? {} : { instanceUuid: instance }),
    ...(system === null ? {} : { guestSystem: shortText(system) }),
  };
}

function stateOf(power: string): PlatformVm['state'] {
  switch (power) {
    case 'VM_RUNNING':
      return 'running';
    case 'VM_SUSPENDED':
      return 'suspended';
    case 'VM_STOPPED':
      return 'off';
    default:
      return 'unknown';
  }
}

/** What the guest's tools, DHCP or ARP told NSX. */
function addressesOf(told: readonly string[]): readonly string[] {
  return [...new Set(told)].filter((text) => /^[0-9a-fA-F.:]{2,45}$/.test(text)).slice(0, addressesMax);
}

function groupedByVm(interfaces: readonly JsonObject[]): ReadonlyMap<string, readonly JsonObject[]> {
  const grouped = new Map<string, JsonObject[]>();
  for (const card of interfaces) {
    const owner = asText(card['owner_vm_id']) ?? '';
    const known = grouped.get(owner);
    if (known === undefined) grouped.set(owner, [card]);
    else known.push(card);
  }
  return grouped;
}

/** The segment's id, from the port's path: `/infra/segments/web/ports/...`. */
function networksByAttachment(ports: readonly JsonObject[]): ReadonlyMap<string, string> {
  const pairs = ports.flatMap((port) => {
    const attachment = asText(asObject(port['attachment'])?.['id']);
    const segment = /\/segments\/([^/]{1,255})/.exec(asText(port['parent_path']) ?? asText(port['path']) ?? '')?.[1];
    return attachment === null || segment === undefined ? [] : [[attachment, segment] as const];
  });
  return new Map(pairs);
}
