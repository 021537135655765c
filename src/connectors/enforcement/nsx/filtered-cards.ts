// Whether NSX's distributed firewall stands at a VM's cards at all. A rule for a VM that is not filtered is kept, shown as realised,
// and drops nothing: such a VM is refused.
// Source: NSX-T Data Center REST API, VirtualNetworkInterface, PolicyExcludeList, "Get groups for which the given VM is a member".
import { asList, asText, type JsonObject } from '../../../kit/json-object.ts';
import { problem, type Problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import { listNsx } from '../../../protocols/nsx/nsx-list.ts';
import { inventoryPath, policyPath } from '../../../protocols/nsx/nsx-path.ts';
import type { CheckedPort } from '../checked-order.ts';
import { readVm } from './vm-tag.ts';

export interface NsxCard {
  /** What is ordered by: the device's key in its VM, or its hardware address without colons where that is no name for a port. */
  readonly id: string;
  readonly mac: string;
  /** What NSX knows its port by; null = it is on no network of NSX's. */
  readonly attachment: string | null;
  readonly addresses: readonly string[];
}

const cardsPagesMax = 2;
const groupsPagesMax = 2;
const portName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/;

/** A VM's cards; those without a hardware address are none. */
export function cardsOf(interfaces: readonly JsonObject[]): readonly NsxCard[] {
  const keys = interfaces.map((card) => asText(card['device_key']) ?? '');
  return interfaces.flatMap((card, index) => {
    const mac = (asText(card['mac_address']) ?? '').toLowerCase();
    if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) return [];
    const key = keys[index] ?? '';
    const isName = portName.test(key) && keys.indexOf(key) === keys.lastIndexOf(key);
    const attachment = asText(card['lport_attachment_id']);
    const told = asList(card['ip_address_info'], 16).flatMap((info) => addressesIn(info as JsonObject));
    return {
      id: isName ? key : mac.replaceAll(':', ''),
      mac,
      attachment: attachment === '' ? null : attachment,
      addresses: told,
    };
  });
}

function addressesIn(info: JsonObject | null): readonly string[] {
  return asList(info?.['ip_addresses'], 64).flatMap((address) => asText(address) ?? []);
}

/** What stands in the way of any measure on this card; null = nothing. */
export async function cardObstacle(client: NsxClient, externalId: string, port: CheckedPort): Promise<Problem | null> {
  const [listed, unfiltered] = await Promise.all([
    readCards(client, externalId, port),
    unfilteredReason(client, externalId),
  ]);
  if (!listed.ok) return listed.error;
  if (!unfiltered.ok) return unfiltered.error;
  const { cards, isCut } = listed.value;
  const loose = isCut ? null : cards.find(({ attachment }) => attachment === null);
  if (loose !== undefined)
    return problem(
      'refused',
      loose === null
        ? 'The VM has more network cards than were read.'
        : `Network card ${loose.id} of the VM is on no network of NSX's, and would stay open.`,
      'Take its link down in vSphere instead.',
    );
  return unfiltered.value === null ? null : problem('refused', `${capital(unfiltered.value)}.`, unfilteredMend);
}

/** The card, on a network of NSX's; whether the firewall filters it does not matter. */
export async function attachedCard(client: NsxClient, externalId: string, port: CheckedPort): Promise<Result<NsxCard>> {
  const listed = await readCards(client, externalId, port);
  if (!listed.ok) return listed;
  const { card } = listed.value;
  if (card.attachment !== null) return ok(card);
  return fail(problem('refused', `Network card ${card.id} is on no network of NSX's.`, 'Capture on its host instead.'));
}

interface ReadCards {
  /** The one that was ordered for. */
  readonly card: NsxCard;
  readonly cards: readonly NsxCard[];
  readonly isCut: boolean;
}

async function readCards(client: NsxClient, externalId: string, port: CheckedPort): Promise<Result<ReadCards>> {
  const [vm, listed] = await Promise.all([
    readVm(client, externalId),
    listNsx(client, inventoryPath(['fabric', 'vifs'], { owner_vm_id: externalId }), cardsPagesMax),
  ]);
  if (!vm.ok) return vm;
  if (!listed.ok) return listed;
  if (vm.value === null)
    return fail(problem('not-found', 'NSX knows no VM of that id any more.', 'List the platform again.'));
  const cards = cardsOf(listed.value.items.filter((card) => card['owner_vm_id'] === externalId));
  const card = cards.find(({ id }) => id === port.interface);
  if (card === undefined)
    return fail(problem('not-found', `The VM has no network card ${port.interface}.`, 'List the platform again.'));
  if (card.mac !== port.mac)
    return fail(
      problem('refused', `Network card ${card.id} has the address ${card.mac} and not ${port.mac} any more.`),
    );
  return ok({ card, cards, isCut: listed.value.isCut });
}

const unfilteredMend = 'Let the firewall filter this VM, or take its link down in vSphere instead.';

/** Why no rule of the firewall is asked for this VM; null = they are. */
export async function unfilteredReason(client: NsxClient, externalId: string): Promise<Result<string | null>> {
  const settings = ['infra', 'settings', 'firewall', 'security'] as const;
  const associations = policyPath(['infra', 'virtual-machine-group-associations'], { vm_external_id: externalId });
  const [firewall, excluded, groups] = await Promise.all([
    client.ask('GET', policyPath(settings)),
    client.ask('GET', policyPath([...settings, 'exclude-list'])),
    listNsx(client, associations, groupsPagesMax),
  ]);
  if (!firewall.ok) return firewall;
  if (!excluded.ok) return excluded;
  if (!groups.ok) return groups;
  if (firewall.value['enable_firewall'] === false) return ok('the distributed firewall is switched off');
  const members = new Set(asList(excluded.value['members'], 1000).flatMap((member) => asText(member) ?? []));
  const excluding = groups.value.items.map((group) => asText(group['path']) ?? asText(group['target_id']) ?? '');
  const found = excluding.find((path) => members.has(path));
  return ok(
    found === undefined ? null : `the VM is on the firewall's exclusion list, by the group ${found.slice(0, 200)}`,
  );
}

function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
