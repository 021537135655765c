// What a measure is in a libvirt network filter: rules of the Ethernet layer only (`mac`, `arp`, `ip`, `ipv6`), which know no
// connections, so that those that stand already are stopped too. Rules of the IP layer (`all`, `tcp`) are asked elsewhere, where what
// passed here counts for nothing. A rule that lets pass returns, so that the owner's filter has its say; only a drop is final.
// Source: https://libvirt.org/formatnwfilter.html.
import { type AddressBlock, distinctBlocks, isSingle, solicitedNode } from '../address-block.ts';
import type { CheckedBlock, CheckedOrder, CheckedPort, CheckedQuarantine } from '../checked-order.ts';

export interface FilterRule {
  readonly action: string;
  /** `out` = from the VM. */
  readonly direction: string;
  /** Lower ones are asked first; of those alike, all do the same. */
  readonly priority: number;
  readonly protocol: string;
  readonly match: Readonly<Record<string, string>>;
}

type Match = FilterRule['match'];
type Direction = 'in' | 'out';

const order = { block: 100, ask: 200, group: 300, pass: 400, rest: 500 } as const;
const solicitation: Match = { protocol: 'icmpv6', type: '135' };
const discovery: Match = { protocol: 'icmpv6', type: '135', typeend: '136' };
/**
 * Broadcast and the groups of IPv4 and IPv6: what is sent to management at such an address is for everybody on the segment. The one
 * bit that all groups have in common cannot be asked for: a mask of libvirt's has no gap before it.
 */
const groups = ['ff', '01', '33'] as const;

export function rulesOf({ measure, port }: CheckedOrder): readonly FilterRule[] {
  switch (measure.kind) {
    case 'quarantine':
      return quarantineRules(measure, port);
    case 'block-flow':
      return blockRules(measure);
    // Neither reaches a filter: packets are captured beside it, and a filter moves no port.
    case 'reroute':
    case 'capture':
      return [];
  }
}

function quarantineRules({ management, routers }: CheckedQuarantine, port: CheckedPort): readonly FilterRule[] {
  const of = (family: 4 | 6, blocks: readonly AddressBlock[]): readonly AddressBlock[] =>
    distinctBlocks(blocks.filter((block) => block.family === family));
  const hops = [...management, ...routers];
  const [hops4, four, six, routers6] = [of(4, hops), of(4, management), of(6, management), of(6, routers)];
  const [own4, own6] = [of(4, port.addresses), of(6, port.addresses)];
  const asked = new Set(hops.flatMap((hop) => solicitedNode(hop) ?? []));
  const mac = { srcmacaddr: port.mac };
  const passes = (priority: number, direction: Direction, protocol: string, match: Match): FilterRule => ({
    action: 'return',
    direction,
    priority,
    protocol,
    match,
  });
  const asks = [
    ...eachFrom(own4, hops4, 'arp').map((match) => passes(order.ask, 'out', 'arp', { ...mac, ...match })),
    ...[...asked].map((group) => passes(order.ask, 'out', 'ipv6', { ...mac, dstipaddr: group, ...solicitation })),
    ...hops4.map((hop) => passes(order.ask, 'in', 'arp', at('src', hop, 'arp'))),
  ];
  const speaks = [
    ...eachFrom(own4, four).map((match) => passes(order.pass, 'out', 'ip', { ...mac, ...match })),
    ...eachFrom(own6, six).map((match) => passes(order.pass, 'out', 'ipv6', { ...mac, ...match })),
    ...routers6.map((router) => passes(order.pass, 'out', 'ipv6', { ...mac, ...at('dst', router), ...discovery })),
    ...four.map((block) => passes(order.pass, 'in', 'ip', at('src', block))),
    ...six.map((block) => passes(order.pass, 'in', 'ipv6', at('src', block))),
    ...routers6.map((router) => passes(order.pass, 'in', 'ipv6', { ...at('src', router), ...discovery })),
  ];
  const toGroups = groups.map((first) => {
    const match = { dstmacaddr: `${first}:00:00:00:00:00`, dstmacmask: 'ff:00:00:00:00:00' };
    return { action: 'drop', direction: 'out', priority: order.group, protocol: 'mac', match };
  });
  const rest = { action: 'drop', direction: 'inout', priority: order.rest, protocol: 'mac', match: {} };
  return [...asks, ...(speaks.length === 0 ? [] : toGroups), ...speaks, rest];
}

function blockRules({ peer, proto, port, direction }: CheckedBlock): readonly FilterRule[] {
  const protocol = peer.family === 4 ? 'ip' : 'ipv6';
  const protocols = proto === 'any' && port === null ? [null] : proto === 'any' ? ['tcp', 'udp'] : [proto];
  // The port is the side's that was connected to.
  const [sent, received] = direction === 'outbound' ? (['dst', 'src'] as const) : (['src', 'dst'] as const);
  return protocols.flatMap((name) => {
    const rule = (way: Direction, end: 'src' | 'dst', side: 'src' | 'dst'): FilterRule => {
      const kind = name === null ? {} : { protocol: name };
      const number = port === null ? {} : { [`${side}portstart`]: String(port), [`${side}portend`]: String(port) };
      const match = { ...at(end, peer), ...kind, ...number };
      return { action: 'drop', direction: way, priority: order.block, protocol, match };
    };
    return [rule('out', 'dst', sent), rule('in', 'src', received)];
  });
}

/** To each of `blocks`, from each of the VM's addresses where they are known. */
function eachFrom(own: readonly AddressBlock[], blocks: readonly AddressBlock[], layer: '' | 'arp' = ''): Match[] {
  const sources: readonly Match[] = own.length === 0 ? [{}] : own.map((block) => at('src', block, layer));
  return blocks.flatMap((block) => sources.map((source) => ({ ...source, ...at('dst', block, layer) })));
}

/** Nothing for a block that holds every address. */
function at(end: 'src' | 'dst', block: AddressBlock, layer: '' | 'arp' = ''): Match {
  if (block.prefixLength === 0) return {};
  const address = { [`${layer}${end}ipaddr`]: block.address };
  return isSingle(block) ? address : { ...address, [`${layer}${end}ipmask`]: String(block.prefixLength) };
}
