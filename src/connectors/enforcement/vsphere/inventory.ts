// The VMs of a vCenter or an ESXi host: names, power, addresses, cards, attributes and tags, as the platform knows them.
import { sayProblem } from '../../../kit/problem.ts';
import { ok, type Result } from '../../../kit/result.ts';
import { readAttachedTags } from '../../../protocols/vsphere/attached-tags.ts';
import { listProperties, type ObjectProperties, readProperties } from '../../../protocols/vsphere/properties.ts';
import type { VimClient } from '../../../protocols/vsphere/vim-client.ts';
import { readReference } from '../../../protocols/vsphere/vim-message.ts';
import { childrenOf, textAt, type XmlElement } from '../../../protocols/xml/xml-element.ts';
import { type PlatformInventory, type PlatformVm, shortText, uuidOf } from '../platform.ts';
import { readCards } from './network-cards.ts';

const paths = [
  'name',
  'config.template',
  'config.uuid',
  'runtime.powerState',
  'runtime.host',
  'guest.ipAddress',
  'guest.net',
  'config.hardware.device',
  'customValue',
] as const;
const addressesMax = 64;
const attributesMax = 256;

export async function listVsphereVms(client: VimClient): Promise<Result<PlatformInventory>> {
  const listed = await listProperties(client, 'VirtualMachine', paths);
  if (!listed.ok) return listed;
  const gaps: string[] = [];
  const hosts = new Map<string, string>();
  const hostNames = await listProperties(client, 'HostSystem', ['name']);
  if (hostNames.ok)
    for (const { object, values } of hostNames.value.objects)
      hosts.set(object.id, values.get('name')?.text ?? object.id);
  else gaps.push(`Names of hosts could not be read: ${sayProblem(hostNames.error)}`);
  const fields = await attributeNames(client, gaps);
  const machines = listed.value.objects.filter(({ values }) => values.get('config.template')?.text !== 'true');
  const tags = await readAttachedTags(
    client,
    machines.map(({ object }) => object),
  );
  if (!tags.ok) gaps.push(`Tags could not be read: ${sayProblem(tags.error)}`);
  const vms = machines.map((machine) =>
    vmOf(machine, hosts, fields, tags.ok ? (tags.value.get(machine.object.id) ?? []) : []),
  );
  return ok({ vms, isCut: listed.value.isCut, gaps });
}

/** Names of the custom attributes by their key. */
async function attributeNames(client: VimClient, gaps: string[]): Promise<ReadonlyMap<string, string>> {
  const content = await client.content();
  const manager = content.ok ? content.value.customFieldsManager : null;
  if (manager === null) return new Map();
  const read = await readProperties(client, manager, ['field']);
  if (!read.ok) {
    gaps.push(`Names of attributes could not be read: ${sayProblem(read.error)}`);
    return new Map();
  }
  return new Map(
    (read.value.values.get('field')?.children ?? []).map((field) => [
      textAt(field, 'key') ?? '',
      shortText(textAt(field, 'name') ?? ''),
    ]),
  );
}

function vmOf(
  { object, values }: ObjectProperties,
  hosts: ReadonlyMap<string, string>,
  fields: ReadonlyMap<string, string>,
  tags: readonly string[],
): PlatformVm {
  const host = readReference(values.get('runtime.host') ?? null);
  return {
    id: object.id,
    name: shortText(values.get('name')?.text ?? object.id),
    uuid: uuidOf(values.get('config.uuid')?.text ?? null),
    state: stateOf(values.get('runtime.powerState')?.text ?? ''),
    host: host === null ? null : (hosts.get(host.id) ?? host.id),
    addresses: addressesOf(values),
    tags: tags.map(shortText),
    attributes: attributesOf(values.get('customValue'), fields),
    cards: readCards(values.get('config.hardware.device')).map(({ id, mac, network, isConnected }) => ({
      id,
      mac,
      network,
      isConnected,
    })),
  };
}

function stateOf(powerState: string): PlatformVm['state'] {
  switch (powerState) {
    case 'poweredOn':
      return 'running';
    case 'suspended':
      return 'suspended';
    case 'poweredOff':
      return 'off';
    default:
      return 'unknown';
  }
}

/** What the guest's tools claim. */
function addressesOf(values: ObjectProperties['values']): readonly string[] {
  const ofCards = (values.get('guest.net')?.children ?? []).flatMap((card) => childrenOf(card, 'ipAddress'));
  const all = [values.get('guest.ipAddress')?.text ?? '', ...ofCards.map(({ text }) => text)];
  return [...new Set(all)].filter((text) => /^[0-9a-fA-F.:]{2,45}$/.test(text)).slice(0, addressesMax);
}

function attributesOf(
  said: XmlElement | undefined,
  fields: ReadonlyMap<string, string>,
): Readonly<Record<string, string>> {
  const pairs = (said?.children ?? []).slice(0, attributesMax).map((value) => {
    const key = textAt(value, 'key') ?? '';
    return [fields.get(key) ?? key, shortText(textAt(value, 'value') ?? '')] as const;
  });
  return Object.fromEntries(pairs);
}
