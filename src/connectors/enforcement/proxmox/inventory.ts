// The VMs of a Proxmox VE cluster: names, states, nodes, tags, cards and addresses, as the platform knows them. A question that
// is answered for each VM alone is asked a few at a time and for a bounded time; what was not asked is said.
import type { Json } from '../../../kit/canonical-json.ts';
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { ok, type Result } from '../../../kit/result.ts';
import { sayProblem } from '../../../kit/problem.ts';
import { plainText } from '../../../protocols/proxmox/proxmox-answer.ts';
import type { ProxmoxClient } from '../../../protocols/proxmox/proxmox-client.ts';
import { isTrue, parsePropertyString, valueOf } from '../../../protocols/proxmox/property-string.ts';
import { type PlatformInventory, type PlatformVm, shortText } from '../platform.ts';
import { readCards } from './network-cards.ts';
import { runOf } from './proxmox-enforcer.ts';
import { withoutNotes } from './quarantine-note.ts';
import { isNodeName, resourcesMax, uuidIn, vmNumber } from './vm-place.ts';

export interface InventoryLimits {
  readonly monotonic: () => number;
  /** Over which the VMs' configurations are not read any more. */
  readonly configsMs: number;
  /** For all that is asked of agents in guests together. */
  readonly agentsMs: number;
}

const vmsMax = 5000;
const atOnce = 6;
const agentMs = 3000;
const addressesMax = 64;
const tagsMax = 64;

interface ListedVm {
  readonly number: string;
  readonly node: string;
  readonly resource: JsonObject;
  status: JsonObject | null;
  config: JsonObject | null;
  addresses: readonly string[];
}

export async function listProxmoxVms(
  client: ProxmoxClient,
  limits: InventoryLimits,
): Promise<Result<PlatformInventory>> {
  const listed = await client.get(['cluster', 'resources'], { type: 'vm' });
  if (!listed.ok) return listed;
  const resources = asList(listed.value, resourcesMax + 1);
  const machines = resources.flatMap((each) => listedVm(each) ?? []);
  const vms = machines.slice(0, vmsMax);
  const gaps: string[] = [];
  await readStatuses(client, vms, gaps);
  await readConfigs(client, vms, limits, gaps);
  await readAgents(client, vms, limits, gaps);
  const isCut = machines.length > vmsMax || resources.length > resourcesMax;
  return ok({ vms: vms.map(vmOf), isCut, gaps });
}

/** Null for containers and templates, which run nothing that can be acted on here. */
function listedVm(each: Json): ListedVm | null {
  const resource = asObject(each);
  const number = vmNumber(`qemu/${plainText(resource?.['vmid'])}`);
  const node = asText(resource?.['node']);
  if (resource?.['type'] !== 'qemu' || Number(resource['template'] ?? 0) > 0) return null;
  if (number === null || !isNodeName(node)) return null;
  return { number, node, resource, status: null, config: null, addresses: [] };
}

/** QEMU's own word for the state of every VM, asked node by node. */
async function readStatuses(client: ProxmoxClient, vms: readonly ListedVm[], gaps: string[]): Promise<void> {
  const byNode = Map.groupBy(vms, ({ node }) => node);
  await each([...byNode], async ([node, members]) => {
    const read = await client.get(['nodes', node, 'qemu'], { full: '1' });
    if (!read.ok) {
      gaps.push(`States of the ${members.length} VMs on ${node} could not be read: ${sayProblem(read.error)}`);
      return;
    }
    const found = new Map(
      asList(read.value, resourcesMax).map((said) => [plainText(asObject(said)?.['vmid']), asObject(said)]),
    );
    for (const vm of members) vm.status = found.get(vm.number) ?? null;
  });
}

async function readConfigs(
  client: ProxmoxClient,
  vms: readonly ListedVm[],
  { monotonic, configsMs }: InventoryLimits,
  gaps: string[],
): Promise<void> {
  const deadline = monotonic() + configsMs;
  let [late, failed, why] = [0, 0, ''];
  await each(vms, async (vm) => {
    if (monotonic() >= deadline) {
      late += 1;
      return;
    }
    const read = await client.get(['nodes', vm.node, 'qemu', vm.number, 'config'], { current: '1' });
    if (read.ok) vm.config = asObject(read.value);
    else [failed, why] = [failed + 1, sayProblem(read.error)];
  });
  if (failed > 0) gaps.push(`Configurations of ${failed} VMs could not be read: ${why}`);
  if (late > 0) gaps.push(`Configurations of ${late} VMs were not read: the others took longer than ${configsMs} ms.`);
}

/** Only where an agent was switched on for the VM and can answer: nothing of ours is put into a guest for it. */
async function readAgents(
  client: ProxmoxClient,
  vms: readonly ListedVm[],
  { monotonic, agentsMs }: InventoryLimits,
  gaps: string[],
): Promise<void> {
  const asked = vms.filter((vm) => hasAgent(vm.config) && stateOf(vm) === 'running');
  const deadline = monotonic() + agentsMs;
  let [late, isDenied] = [0, false];
  await each(asked, async (vm) => {
    if (isDenied) return;
    if (monotonic() >= deadline) {
      late += 1;
      return;
    }
    const place = ['nodes', vm.node, 'qemu', vm.number, 'agent', 'network-get-interfaces'];
    const read = await client.get(place, {}, agentMs);
    // An agent that is switched on and not installed is common, and says nothing about the VM.
    if (read.ok) vm.addresses = agentAddresses(read.value);
    else if (read.error.fault === 'denied') isDenied = true;
  });
  if (isDenied) gaps.push('Addresses could not be asked of agents in guests: give the account VM.GuestAgent.Audit.');
  if (late > 0) gaps.push(`Agents of ${late} VMs were not asked: the others took longer than ${agentsMs} ms.`);
}

function hasAgent(config: JsonObject | null): boolean {
  const said = parsePropertyString(asText(config?.['agent']) ?? '') ?? [];
  return isTrue(valueOf(said, 'enabled') ?? said.find(({ key }) => key === null)?.value ?? null);
}

/** What the guest claims, loopback and link-local addresses apart. */
function agentAddresses(answer: Json): readonly string[] {
  const found = asList(asObject(answer)?.['result'], 256).flatMap((card) =>
    asList(asObject(card)?.['ip-addresses'], addressesMax).map((each) => asText(asObject(each)?.['ip-address']) ?? ''),
  );
  return usable(found).filter((address) => !/^(127\.|169\.254\.|::1$|fe80:)/i.test(address));
}

/** What cloud-init was told to set, where no agent says what is so. */
function plannedAddresses(config: JsonObject | null): readonly string[] {
  const texts = Object.entries(config ?? {}).filter(([key]) => /^ipconfig\d{1,2}$/.test(key));
  const found = texts.flatMap(([, text]) => {
    const said = parsePropertyString(asText(text) ?? '') ?? [];
    return ['ip', 'ip6'].map((key) => (valueOf(said, key) ?? '').split('/')[0] ?? '');
  });
  return usable(found);
}

function usable(addresses: readonly string[]): readonly string[] {
  const form = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f.]*:[0-9a-f:.]{1,44})$/i;
  return [...new Set(addresses)].filter((text) => form.test(text)).slice(0, addressesMax);
}

function vmOf(vm: ListedVm): PlatformVm {
  const { number, node, resource, status, config, addresses } = vm;
  const name = asText(config?.['name']) ?? asText(status?.['name']) ?? asText(resource['name']) ?? `VM ${number}`;
  const tags = (asText(config?.['tags']) ?? asText(resource['tags']) ?? '').split(/[;,\s]+/);
  return {
    id: `qemu/${number}`,
    name: shortText(name),
    uuid: config === null ? null : uuidIn(config),
    state: stateOf(vm),
    host: node,
    addresses: addresses.length > 0 ? addresses : plannedAddresses(config),
    tags: tags
      .filter((tag) => tag !== '')
      .slice(0, tagsMax)
      .map(shortText),
    attributes: attributesOf(vm),
    cards: readCards(config ?? {}).map(({ id, mac, network, isLinkDown }) => ({
      id,
      mac,
      network,
      isConnected: !isLinkDown,
    })),
  };
}

function stateOf({ status }: ListedVm): PlatformVm['state'] {
  const [state = '', qmp = '', lock = ''] = ['status', 'qmpstatus', 'lock'].map((key) => asText(status?.[key]) ?? '');
  // Where QEMU itself was not heard there is no word of its own.
  const run = runOf(state, state === 'running' && qmp === '' ? 'running' : qmp, lock);
  return run === null ? 'unknown' : ({ running: 'running', paused: 'suspended', gone: 'off' } as const)[run];
}

function attributesOf({ resource, status, config }: ListedVm): Readonly<Record<string, string>> {
  const said = {
    pool: asText(resource['pool']),
    'high availability': asText(resource['hastate']),
    lock: asText(status?.['lock']) ?? asText(config?.['lock']),
    notes: withoutNotes(asText(config?.['description']) ?? ''),
  };
  return Object.fromEntries(
    Object.entries(said).flatMap(([key, value]) => (value === null || value === '' ? [] : [[key, shortText(value)]])),
  );
}

/** A few at a time, all of them. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
