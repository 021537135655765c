// What a simulated NSX's distributed firewall does with a packet, by the rules that are realised and by no other: categories in their
// order, policies by their sequence, the first rule that matches decides, and what none matches passes.
import { BlockList, isIPv6 } from 'node:net';
import type { Json } from '../../kit/canonical-json.ts';
import { asList, asObject, asText, type JsonObject } from '../../kit/json-object.ts';
import { parseBlock } from '../../connectors/enforcement/address-block.ts';
import type { NsxWorld, SimulatedVm } from './nsx-world.ts';

export interface SimulatedPacket {
  /** OUT: the VM sends it. */
  readonly direction: 'IN' | 'OUT';
  readonly peer: string;
  readonly protocol: 'TCP' | 'UDP' | 'ICMPv6' | 'ICMPv4';
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly icmpType?: number;
}

const categories = ['Emergency', 'Infrastructure', 'Environment', 'Application'];
const protocolNumbers: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, ICMPv6: 58, ICMPv4: 1 };

/** Of the VM's first card. */
export function passes(world: NsxWorld, externalId: string, packet: SimulatedPacket): boolean {
  world.settle();
  const vm = world.vms.get(externalId);
  if (vm === undefined) throw new Error(`there is no VM ${externalId}`);
  const groups = world.groupsOf(vm);
  const isFiltered = world.isFirewallOn && vm.cards[0]?.attachment !== null;
  if (!isFiltered || groups.some((path) => world.excluded.has(path))) return true;
  const deciding = rulesInOrder(world).find((rule) => isAt(rule, groups) && isFor(world, rule, packet, groups));
  return deciding === undefined || asText(deciding['action']) === 'ALLOW';
}

/** The service chain that a packet of the VM's first card is led through; null = none. */
export function ledThrough(world: NsxWorld, externalId: string, packet: SimulatedPacket): string | null {
  world.settle();
  const vm = world.vms.get(externalId);
  if (vm === undefined) throw new Error(`there is no VM ${externalId}`);
  const groups = world.groupsOf(vm);
  if (vm.cards[0]?.attachment === null || groups.some((path) => world.unredirected.has(path))) return null;
  const inOrder = [...world.redirections.values()]
    .flatMap(({ realised, made }) => (realised === null ? [] : [{ policy: realised.object, made }]))
    .toSorted(
      (one, other) =>
        numberAt(one.policy, 'sequence_number') - numberAt(other.policy, 'sequence_number') || one.made - other.made,
    );
  for (const { policy } of inOrder) {
    const rule = asList(policy['rules'], 1000)
      .map((each) => asObject(each))
      .find((each) => each !== null && each['disabled'] !== true && isFor(world, each, packet, groups));
    if (rule === undefined || rule === null) continue;
    return rule['action'] === 'REDIRECT' ? (texts(policy['redirect_to'])[0] ?? null) : null;
  }
  return null;
}

function rulesInOrder(world: NsxWorld): readonly JsonObject[] {
  const place = (policy: JsonObject): number => categories.indexOf(asText(policy['category']) ?? '');
  return [...world.policies.values()]
    .flatMap(({ realised, made }) => (realised === null ? [] : [{ policy: realised.object, made }]))
    .toSorted(
      (one, other) =>
        place(one.policy) - place(other.policy) ||
        numberAt(one.policy, 'sequence_number') - numberAt(other.policy, 'sequence_number') ||
        one.made - other.made,
    )
    .flatMap(({ policy }) =>
      asList(policy['rules'], 1000)
        .map((rule) => asObject(rule))
        .filter((rule) => rule !== null)
        .toSorted((one, other) => numberAt(one, 'sequence_number') - numberAt(other, 'sequence_number')),
    );
}

function isAt(rule: JsonObject, groups: readonly string[]): boolean {
  const scope = texts(rule['scope']);
  return rule['disabled'] !== true && (scope.includes('ANY') || scope.some((path) => groups.includes(path)));
}

function isFor(world: NsxWorld, rule: JsonObject, packet: SimulatedPacket, groups: readonly string[]): boolean {
  const direction = asText(rule['direction']) ?? 'IN_OUT';
  if (direction !== 'IN_OUT' && direction !== packet.direction) return false;
  const family = isIPv6(packet.peer) ? 'IPV6' : 'IPV4';
  if (!(asText(rule['ip_protocol']) ?? 'IPV4_IPV6').split('_').includes(family)) return false;
  const [own, others] =
    packet.direction === 'OUT' ? (['source', 'destination'] as const) : (['destination', 'source'] as const);
  const ownPlaces = texts(rule[`${own}_groups`]);
  const isOwn = ownPlaces.includes('ANY') || ownPlaces.some((path) => groups.includes(path));
  const isPeer = isWithin(packet.peer, addressesAt(world, texts(rule[`${others}_groups`])));
  if (isOwn === (rule[`${own}s_excluded`] === true) || isPeer === (rule[`${others}s_excluded`] === true)) return false;
  const entries = asList(rule['service_entries'], 50);
  if (entries.length > 0) return entries.some((entry) => isService(asObject(entry), packet));
  return texts(rule['services']).includes('ANY');
}

/** Of a group, the addresses that its members are known to have. */
function addressesAt(world: NsxWorld, places: readonly string[]): readonly string[] {
  return places.flatMap((place) =>
    place.startsWith('/')
      ? world.members(place).flatMap(({ cards }) => cards.flatMap(({ addresses }) => addresses))
      : [place],
  );
}

function isWithin(address: string, places: readonly string[]): boolean {
  if (places.includes('ANY')) return true;
  const list = new BlockList();
  for (const place of places) {
    const block = parseBlock(place);
    if (block !== null) list.addSubnet(block.address, block.prefixLength, block.family === 4 ? 'ipv4' : 'ipv6');
  }
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

function isService(entry: JsonObject | null, packet: SimulatedPacket): boolean {
  switch (asText(entry?.['resource_type']) ?? '') {
    case 'IPProtocolServiceEntry':
      return entry?.['protocol_number'] === protocolNumbers[packet.protocol];
    case 'ICMPTypeServiceEntry':
      return entry?.['protocol'] === packet.protocol && entry['icmp_type'] === packet.icmpType;
    case 'L4PortSetServiceEntry':
      return (
        entry?.['l4_protocol'] === packet.protocol &&
        isPort(texts(entry['source_ports']), packet.sourcePort) &&
        isPort(texts(entry['destination_ports']), packet.destinationPort)
      );
    default:
      return false;
  }
}

function isPort(ports: readonly string[], port: number | undefined): boolean {
  return ports.length === 0 || ports.includes(String(port));
}

function texts(said: Json | undefined): readonly string[] {
  return asList(said, 256).flatMap((text) => asText(text) ?? []);
}

function numberAt(object: JsonObject, field: string): number {
  const value = object[field];
  return typeof value === 'number' ? value : 0;
}

/** A card on a network of NSX's. */
export function filteredCard(deviceKey: string, mac: string, address: string): SimulatedVm['cards'][number] {
  return { deviceKey, mac, attachment: `port-${mac.replaceAll(':', '')}`, addresses: [address] };
}
