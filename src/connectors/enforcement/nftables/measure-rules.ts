// What a measure is in nftables: two lists of rules, for what comes from the VM and for what goes to it, as libnftables' JSON has them
// (libnftables-json(5)). A rule that lets pass returns, so that of several measures each has its say; only a drop is final.
import type { Json } from '../../../kit/canonical-json.ts';
import { type AddressBlock, distinctBlocks, isSingle, solicitedNode } from '../address-block.ts';
import type { CheckedBlock, CheckedOrder, CheckedPort, CheckedQuarantine } from '../checked-order.ts';

export interface MeasureRules {
  /** Each is the `expr` of one rule. */
  readonly fromVm: readonly (readonly Json[])[];
  readonly toVm: readonly (readonly Json[])[];
  /** The peer of a block, which the kernel itself forgets in time. */
  readonly peer: { readonly block: AddressBlock; readonly seconds: number } | null;
}

type End = 'saddr' | 'daddr';

const drop: Json = { drop: null };
const pass: Json = { return: null };
const counter: Json = { counter: null };
const multicast = '01:00:00:00:00:00';

/** `peerSet`: name of the set that holds a block's peer. */
export function rulesOf({ measure, port }: CheckedOrder, peerSet: string): MeasureRules {
  switch (measure.kind) {
    case 'quarantine':
      return quarantineRules(measure, port);
    case 'block-flow':
      return blockRules(measure, peerSet);
    // The move is the bridge's; what stands here says that it was ordered.
    case 'reroute':
    case 'capture':
      return { fromVm: [[counter]], toVm: [], peer: null };
  }
}

function quarantineRules({ management, routers }: CheckedQuarantine, port: CheckedPort): MeasureRules {
  const four = management.filter(({ family }) => family === 4);
  const six = management.filter(({ family }) => family === 6);
  const hops = [...management, ...routers];
  const hops4 = hops.filter(({ family }) => family === 4);
  const own4 = port.addresses.filter(({ family }) => family === 4);
  const own6 = port.addresses.filter(({ family }) => family === 6);
  const routers6 = routers.filter(({ family }) => family === 6);
  const asked = hops.flatMap((hop) => solicitedNode(hop) ?? []);
  // To one machine, not to all of a segment: whoever listens there is not management.
  const toOne = masked('daddr', multicast, '00:00:00:00:00:00');
  const fromMac = is('ether', 'saddr', port.mac);
  const fromVm = [
    when(hops4, [fromMac, isAny('arp', 'daddr ip', hops4), ...known('arp', 'saddr ip', own4), pass]),
    when(four, [fromMac, toOne, isAny('ip', 'daddr', four), ...known('ip', 'saddr', own4), pass]),
    when(six, [fromMac, toOne, isAny('ip6', 'daddr', six), ...known('ip6', 'saddr', own6), pass]),
    when(routers6, [fromMac, toOne, isAny('ip6', 'daddr', routers6), discovery, pass]),
    when(asked, [fromMac, anyOf('ip6', 'daddr', asked), solicitation, pass]),
    [counter, drop],
  ];
  const toVm = [
    when(hops4, [isAny('arp', 'saddr ip', hops4), pass]),
    when(four, [isAny('ip', 'saddr', four), pass]),
    when(six, [isAny('ip6', 'saddr', six), pass]),
    when(routers6, [isAny('ip6', 'saddr', routers6), discovery, pass]),
    [counter, drop],
  ];
  return { fromVm: fromVm.filter(isRule), toVm: toVm.filter(isRule), peer: null };
}

function blockRules({ peer, proto, port, direction, seconds }: CheckedBlock, peerSet: string): MeasureRules {
  const protocol = peer.family === 4 ? 'ip' : 'ip6';
  const protocols = proto === 'any' ? ['tcp', 'udp'] : [proto];
  const rules = (end: End, portField: 'sport' | 'dport'): readonly (readonly Json[])[] => {
    const isPeer = is(protocol, end, `@${peerSet}`);
    if (proto === 'any' && port === null) return [[isPeer, counter, drop]];
    return protocols.map((name) => {
      const ofPort = port === null ? equal({ meta: { key: 'l4proto' } }, name) : is(name, portField, port);
      return [isPeer, ofPort, counter, drop];
    });
  };
  // The port is the side's that was connected to.
  const [sent, received] = direction === 'outbound' ? (['dport', 'sport'] as const) : (['sport', 'dport'] as const);
  return { fromVm: rules('daddr', sent), toVm: rules('saddr', received), peer: { block: peer, seconds } };
}

/** No rule at all where nothing is to match: an empty set would be no rule either, but a fault. */
function when(needed: readonly unknown[], expressions: readonly Json[]): readonly Json[] | null {
  return needed.length === 0 ? null : expressions;
}

function isRule(rule: readonly Json[] | null): rule is readonly Json[] {
  return rule !== null;
}

function known(protocol: string, field: string, blocks: readonly AddressBlock[]): readonly Json[] {
  return blocks.length === 0 ? [] : [isAny(protocol, field, blocks)];
}

function isAny(protocol: string, field: string, blocks: readonly AddressBlock[]): Json {
  return is(protocol, field, { set: distinctBlocks(blocks).map((block) => element(block)) });
}

function anyOf(protocol: string, field: string, addresses: readonly string[]): Json {
  return is(protocol, field, { set: [...new Set(addresses)] });
}

/** As a set's element. */
export function element(block: AddressBlock): Json {
  return isSingle(block) ? block.address : { prefix: { addr: block.address, len: block.prefixLength } };
}

function is(protocol: string, field: string, value: Json): Json {
  return equal({ payload: { protocol, field } }, value);
}

function equal(left: Json, right: Json): Json {
  return { match: { op: '==', left, right } };
}

function masked(field: string, mask: string, value: string): Json {
  return equal({ '&': [{ payload: { protocol: 'ether', field } }, mask] }, value);
}

const ndType = (types: readonly string[]): Json =>
  is('icmpv6', 'type', types.length === 1 ? (types[0] ?? '') : { set: types });
const solicitation = ndType(['nd-neighbor-solicit']);
const discovery = ndType(['nd-neighbor-solicit', 'nd-neighbor-advert']);
