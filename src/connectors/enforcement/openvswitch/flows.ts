// What a measure is in OpenFlow, as `ovs-ofctl add-flows` takes it (ovs-fields(7), ovs-actions(7)). Made of checked values only. What
// comes from the VM is known by its port, and by its hardware address as well: a port that was plugged in anew has another number.
import { type AddressBlock, blockText, distinctBlocks, isSingle, solicitedNode } from '../address-block.ts';
import type { CheckedBlock, CheckedOrder, CheckedPort, CheckedQuarantine } from '../checked-order.ts';

/** Where the switch has the VM. */
export interface SwitchPlace {
  readonly ofport: number;
  /** VLAN of an access port; null = frames are handed over as they are. */
  readonly vlan: number | null;
}

/**
 * Above what others write: a block before what a quarantine lets pass, and that before what it drops. What the VM sends is judged before
 * what anybody is sent: otherwise a VM in quarantine that says it is management would be let through by what lets management through,
 * to itself or to another VM in quarantine; and what is handed to everybody as well would carry it to everybody.
 */
const priorities = { block: 65_100, leave: 65_010, stay: 65_000, arrive: 64_990, rest: 64_980 } as const;
/** So many blocks of one bridge, each with a priority of its own: of two alike the later would take the other's place. */
export const blockSlots = 400;
const hardTimeoutMax = 65_535;
/** One machine, not a group of them. */
const toOne = 'dl_dst=00:00:00:00:00:00/01:00:00:00:00:00';
const toAll = 'dl_dst=ff:ff:ff:ff:ff:ff';
const discoveryTypes = [135, 136] as const;

export function flowsOf(order: CheckedOrder, place: SwitchPlace, cookie: string, slot: number): readonly string[] {
  const { measure, port } = order;
  if (measure.kind === 'quarantine') return withCookie(cookie, quarantineFlows(measure, port, place));
  if (measure.kind === 'block-flow') return withCookie(cookie, blockFlows(measure, port, place, slot));
  return [];
}

function withCookie(cookie: string, flows: readonly string[]): readonly string[] {
  return [...new Set(flows)].map((flow) => `cookie=${cookie},${flow}`);
}

function quarantineFlows(measure: CheckedQuarantine, port: CheckedPort, place: SwitchPlace): readonly string[] {
  const { ofport } = place;
  const from = `in_port=${ofport},dl_src=${port.mac}`;
  const dropped = (priority: number, match: string): string => `priority=${priority},${match},actions=drop`;
  return [
    ...leaving(measure, port).map((match) => `priority=${priorities.leave},${from},${match},actions=NORMAL`),
    ...[`in_port=${ofport}`, `dl_src=${port.mac}`].map((match) => dropped(priorities.stay, match)),
    ...arriving(measure, port, place).map((flow) => `priority=${priorities.arrive},${flow}`),
    dropped(priorities.rest, `dl_dst=${port.mac}`),
  ];
}

function leaving({ management, routers }: CheckedQuarantine, port: CheckedPort): readonly string[] {
  const hops = distinctBlocks([...management, ...routers]);
  const own = (family: 4 | 6, field: string): readonly string[] => {
    const blocks = distinctBlocks(port.addresses.filter((block) => block.family === family));
    return blocks.length === 0 ? [''] : blocks.map((block) => `,${field}=${blockText(block)}`);
  };
  return [
    ...four(hops).flatMap((hop) => own(4, 'arp_spa').map((from) => `arp,arp_tpa=${hop}${from}`)),
    ...four(distinctBlocks(management)).flatMap((to) =>
      own(4, 'nw_src').map((from) => `ip,${toOne},nw_dst=${to}${from}`),
    ),
    ...six(distinctBlocks(management)).flatMap((to) =>
      own(6, 'ipv6_src').map((from) => `ipv6,${toOne},ipv6_dst=${to}${from}`),
    ),
    ...six(distinctBlocks(routers)).flatMap((to) =>
      discoveryTypes.map((type) => `icmp6,icmp_type=${type},${toOne},ipv6_dst=${to}`),
    ),
    ...hops.flatMap((hop) => solicitedNode(hop) ?? []).map((group) => `icmp6,icmp_type=135,ipv6_dst=${group}`),
  ];
}

function arriving(
  { management, routers }: CheckedQuarantine,
  port: CheckedPort,
  place: SwitchPlace,
): readonly string[] {
  const hops = distinctBlocks([...management, ...routers]);
  const known = [...port.addresses, ...port.claimed].filter((block) => isSingle(block));
  const toVm = [
    ...four(hops).map((from) => `dl_dst=${port.mac},arp,arp_spa=${from}`),
    ...four(distinctBlocks(management)).map((from) => `dl_dst=${port.mac},ip,nw_src=${from}`),
    ...six(distinctBlocks(management)).map((from) => `dl_dst=${port.mac},ipv6,ipv6_src=${from}`),
    ...six(distinctBlocks(routers)).flatMap((from) =>
      discoveryTypes.map((type) => `dl_dst=${port.mac},icmp6,icmp_type=${type},ipv6_src=${from}`),
    ),
  ];
  // Who has the VM is asked of everybody, and the VM's port gets nothing that is for everybody: so it is handed over by itself. What
  // the VM only claims is good for this and for nothing it may send: it hears a question, to which it could have sent the answer unasked.
  const asked = [
    ...four(hops).flatMap((from) => four(known).map((own) => `${toAll},arp,arp_spa=${from},arp_tpa=${own}`)),
    ...six(hops).flatMap((from) =>
      known
        .flatMap((own) => solicitedNode(own) ?? [])
        .map((group) => `icmp6,icmp_type=135,ipv6_src=${from},ipv6_dst=${group}`),
    ),
  ];
  return [
    ...toVm.flatMap((match) => handOver(match, place, '')),
    ...asked.flatMap((match) => handOver(match, place, 'NORMAL,')),
  ];
}

/** As the switch itself would hand a frame over: to an access port without its tag, and nothing of another VLAN. */
function handOver(match: string, { ofport, vlan }: SwitchPlace, before: string): readonly string[] {
  if (vlan === null) return [`${match},actions=${before}output:${ofport}`];
  return [
    `${match},vlan_tci=0x0000/0x1000,actions=${before}output:${ofport}`,
    `${match},dl_vlan=${vlan},actions=${before}pop_vlan,output:${ofport}`,
  ];
}

function blockFlows(
  measure: CheckedBlock,
  port: CheckedPort,
  { ofport }: SwitchPlace,
  slot: number,
): readonly string[] {
  const { peer, proto, direction, seconds } = measure;
  const suffix = peer.family === 4 ? '' : '6';
  const [from, to] = peer.family === 4 ? ['nw_src', 'nw_dst'] : ['ipv6_src', 'ipv6_dst'];
  const whole = peer.family === 4 ? 'ip' : 'ipv6';
  const kinds =
    proto === 'any' ? (measure.port === null ? [whole] : [`tcp${suffix}`, `udp${suffix}`]) : [proto + suffix];
  const [sent, received] = direction === 'outbound' ? ['tp_dst', 'tp_src'] : ['tp_src', 'tp_dst'];
  const portMatch = (field: string): string => (measure.port === null ? '' : `,${field}=${measure.port}`);
  const head = `priority=${priorities.block + slot},hard_timeout=${Math.min(seconds, hardTimeoutMax)}`;
  return kinds.flatMap((kind) => {
    const leave = `${kind},${to}=${blockText(peer)}${portMatch(sent ?? '')}`;
    const arrive = `${kind},${from}=${blockText(peer)}${portMatch(received ?? '')}`;
    const matches = [`in_port=${ofport},${leave}`, `dl_src=${port.mac},${leave}`, `dl_dst=${port.mac},${arrive}`];
    return matches.map((match) => `${head},${match},actions=drop`);
  });
}

function four(blocks: readonly AddressBlock[]): readonly string[] {
  return blocks.filter(({ family }) => family === 4).map((block) => blockText(block));
}

function six(blocks: readonly AddressBlock[]): readonly string[] {
  return blocks.filter(({ family }) => family === 6).map((block) => blockText(block));
}
