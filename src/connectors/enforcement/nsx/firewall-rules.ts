// What a measure is in NSX's distributed firewall: rules that drop, at the VM's own cards, whatever address it takes. They say what is
// dropped and allow nothing, so that what they leave alone still has the owner's own rules to pass.
// Source: NSX-T Data Center REST API, types Rule, L4PortSetServiceEntry, IPProtocolServiceEntry, ICMPTypeServiceEntry.
import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '../../../kit/canonical-json.ts';
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { blockText, distinctBlocks, parseBlock } from '../address-block.ts';
import type { CheckedBlock, CheckedMeasure, CheckedQuarantine } from '../checked-order.ts';

type Direction = 'IN' | 'OUT';

interface FirewallRule {
  readonly id: string;
  readonly action: 'DROP' | 'ALLOW';
  /** As the VM's card has it: what it sends goes OUT. */
  readonly direction: Direction;
  /** Where packets come from and go to; ANY leaves the VM's own side open, since it may take any address. */
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  readonly isExcluded: boolean;
  readonly entries: readonly JsonObject[];
  readonly protocol: 'IPV4' | 'IPV6' | 'IPV4_IPV6';
}

const any: readonly string[] = ['ANY'];
const rulesMax = 64;
/** RFC 4861: neighbour solicitation and advertisement. NSX's firewall drops them with the rest of ICMPv6, unlike ARP. */
const neighbourTypes = [135, 136];

/** The `rules` of a security policy, for the VM in that group. */
export function rulesFor(measure: CheckedMeasure, groupPath: string): readonly JsonObject[] {
  return measureRules(measure).map((rule, index) => ({
    resource_type: 'Rule',
    id: rule.id,
    display_name: `plumbline ${rule.id}`,
    sequence_number: (index + 1) * 10,
    action: rule.action,
    direction: rule.direction,
    ip_protocol: rule.protocol,
    source_groups: rule.sources,
    sources_excluded: rule.direction === 'IN' && rule.isExcluded,
    destination_groups: rule.destinations,
    destinations_excluded: rule.direction === 'OUT' && rule.isExcluded,
    // Said beside entries too, which then count alone: as VMware's own clients write it.
    services: any,
    service_entries: rule.entries,
    scope: [groupPath],
    disabled: false,
    logged: true,
    tag: 'plumbline',
  }));
}

function measureRules(measure: CheckedMeasure): readonly FirewallRule[] {
  switch (measure.kind) {
    case 'quarantine':
      return quarantineRules(measure);
    case 'block-flow':
      return blockRules(measure);
    case 'capture':
    case 'reroute':
      return [];
  }
}

function quarantineRules({ management }: CheckedQuarantine): readonly FirewallRule[] {
  const managers = distinctBlocks(management).map(blockText);
  const isExcluded = managers.length > 0;
  const others = isExcluded ? managers : any;
  const needsNeighbours = management.some(({ family }) => family === 6);
  const neighbours = neighbourTypes.map((type) => ({
    resource_type: 'ICMPTypeServiceEntry',
    id: `icmpv6-${type}`,
    protocol: 'ICMPv6',
    icmp_type: type,
  }));
  const ofBoth = { isExcluded: false, entries: neighbours, protocol: 'IPV6', sources: any, destinations: any } as const;
  const dropped = { action: 'DROP', isExcluded, entries: [], protocol: 'IPV4_IPV6' } as const;
  return [
    ...(needsNeighbours
      ? ([
          { id: 'neighbours-out', action: 'ALLOW', direction: 'OUT', ...ofBoth },
          { id: 'neighbours-in', action: 'ALLOW', direction: 'IN', ...ofBoth },
        ] as const)
      : []),
    { id: 'drop-out', direction: 'OUT', sources: any, destinations: others, ...dropped },
    { id: 'drop-in', direction: 'IN', sources: others, destinations: any, ...dropped },
  ];
}

function blockRules({ peer, proto, port, direction }: CheckedBlock): readonly FirewallRule[] {
  const at = [blockText(peer)];
  const protocol = peer.family === 4 ? 'IPV4' : 'IPV6';
  const rest = { action: 'DROP', isExcluded: false, protocol } as const;
  // The port is the side's that was connected to.
  const [sent, received] = direction === 'outbound' ? (['to', 'from'] as const) : (['from', 'to'] as const);
  return [
    {
      id: 'block-out',
      direction: 'OUT',
      sources: any,
      destinations: at,
      entries: entriesOf(proto, port, sent),
      ...rest,
    },
    {
      id: 'block-in',
      direction: 'IN',
      sources: at,
      destinations: any,
      entries: entriesOf(proto, port, received),
      ...rest,
    },
  ];
}

/** `side`: which end of a packet has the port. */
function entriesOf(proto: CheckedBlock['proto'], port: number | null, side: 'from' | 'to'): readonly JsonObject[] {
  if (proto === 'any' && port === null) return [];
  const protocols = proto === 'any' ? (['tcp', 'udp'] as const) : [proto];
  return protocols.map((name) =>
    port === null
      ? { resource_type: 'IPProtocolServiceEntry', id: name, protocol_number: name === 'tcp' ? 6 : 17 }
      : {
          resource_type: 'L4PortSetServiceEntry',
          id: `${name}-${port}`,
          l4_protocol: name.toUpperCase(),
          source_ports: side === 'from' ? [String(port)] : [],
          destination_ports: side === 'to' ? [String(port)] : [],
        },
  );
}

/** The same for the same effect, whether the rules are ours on their way or as NSX gives them back. */
export function digestOfRules(rules: readonly Json[]): string {
  const effects = rules
    .slice(0, rulesMax)
    .map((rule) => asObject(rule))
    .filter((rule) => rule !== null)
    .toSorted((one, other) => numberAt(one, 'sequence_number') - numberAt(other, 'sequence_number'))
    .map(effectOf);
  const said = canonicalJson([rules.length, ...effects]);
  return createHash('sha256').update(said).digest('hex').slice(0, 16);
}

function effectOf(rule: JsonObject): Json {
  const entries = asList(rule['service_entries'], rulesMax).map(entryText).toSorted();
  return {
    action: shown(rule['action'] ?? ''),
    direction: shown(rule['direction'] ?? 'IN_OUT'),
    protocol: shown(rule['ip_protocol'] ?? 'IPV4_IPV6'),
    isOff: rule['disabled'] === true,
    from: places(rule['source_groups']),
    fromExcluded: rule['sources_excluded'] === true,
    to: places(rule['destination_groups']),
    toExcluded: rule['destinations_excluded'] === true,
    services: places(rule['services']).filter((service) => service !== 'ANY' || entries.length === 0),
    entries,
    profiles: places(rule['profiles']).filter((profile) => profile !== 'ANY'),
    at: places(rule['scope']),
  };
}

function places(said: Json | undefined): readonly string[] {
  const texts = asList(said, 256).flatMap((text) => asText(text)?.toWellFormed() ?? []);
  return texts.map(normal).toSorted();
}

function normal(address: string): string {
  const block = parseBlock(address);
  return block === null ? address : blockText(block);
}

function entryText(said: Json): string {
  const entry = asObject(said);
  const ports = (side: string): string => places(entry?.[`${side}_ports`]).join(',');
  const fields = ['resource_type', 'l4_protocol', 'protocol', 'icmp_type', 'protocol_number'];
  const values = fields.map((field) => shown(entry?.[field]));
  return [...values, ports('source'), ports('destination')].join(' ');
}

function shown(value: Json | undefined): string {
  return typeof value === 'number' ? String(value) : (asText(value ?? null)?.toWellFormed() ?? '');
}

function numberAt(rule: JsonObject, field: string): number {
  const value = rule[field];
  return typeof value === 'number' ? value : 0;
}
