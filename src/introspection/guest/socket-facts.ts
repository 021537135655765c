// One internet socket as the kernel keeps it. Works on the part that all kinds share, so that full sockets, TIME_WAIT
// remnants and half-open requests are read alike.
import type { PageCache } from '../memory/page-cache.ts';
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { KernelProfile } from '../kernel/kernel-profile.ts';
import type { SocketHolder, SocketState, SocketView } from './guest-view.ts';
import { ipv4Text, ipv6Text, swap } from './ip-address.ts';

export interface SocketFacts {
  readonly protocol: 'tcp' | 'udp';
  readonly family: 4 | 6;
  readonly state: number;
  readonly localPort: number;
  readonly remotePort: number;
  /** Addresses as kept: one word for IPv4 (the others 0), four for IPv6. */
  readonly local0: number;
  readonly local1: number;
  readonly local2: number;
  readonly local3: number;
  readonly remote0: number;
  readonly remote1: number;
  readonly remote2: number;
  readonly remote3: number;
  readonly net: PhysicalAddress;
}

/** From include/net/tcp_states.h; index = number. */
const states: readonly (SocketState | null)[] = [
  null,
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'CLOSING',
  'NEW_SYN_RECV',
  'BOUND_INACTIVE',
];

const timeWait = 6;
const inet = 2;
const inet6 = 10;
/** TCP, and MPTCP, which is TCP to whoever looks from outside. */
const tcpProtocols = new Set([6, 262]);
const udpProtocol = 17;

export interface SocketOffsets {
  readonly protocol: number;
  readonly family: number;
  readonly state: number;
  readonly localPort: number;
  readonly remotePort: number;
  readonly local: number;
  readonly remote: number;
  readonly local6: number;
  readonly remote6: number;
  readonly net: number;
  /** Of a TIME_WAIT remnant; null when the kernel does not say. */
  readonly remnantState: number | null;
}

export function socketOffsets({ fields }: KernelProfile): SocketOffsets {
  return {
    protocol: fields['sock.sk_protocol'],
    family: fields['sock_common.skc_family'],
    state: fields['sock_common.skc_state'],
    localPort: fields['sock_common.skc_num'],
    remotePort: fields['sock_common.skc_dport'],
    local: fields['sock_common.skc_rcv_saddr'],
    remote: fields['sock_common.skc_daddr'],
    local6: fields['sock_common.skc_v6_rcv_saddr'],
    remote6: fields['sock_common.skc_v6_daddr'],
    net: fields['sock_common.skc_net'],
    remnantState: fields['inet_timewait_sock.tw_substate'] ?? null,
  };
}

const openStates = new Set([1, 10]);

/** Whether a listener or an established connection is open as a file; orphans, the kernel's own and those not accepted yet are not. */
export function isOpenAsFile(space: KernelSpace, sock: PhysicalAddress, { state }: SocketFacts): boolean {
  const { fields } = space.profile;
  const socket = fields['sock.sk_socket'];
  const file = fields['socket.file'];
  if (socket === undefined || file === undefined || !openStates.has(state)) return false;
  const at = space.maybePointer(sock + socket);
  return at !== nowhere && space.maybePointer(at + file) !== nowhere;
}

/** The protocol of a full socket; null for what is neither TCP nor UDP. */
export function protocolOf(space: KernelSpace, offsets: SocketOffsets, sock: PhysicalAddress): 'tcp' | 'udp' | null {
  const protocol = space.pages.u16(sock + offsets.protocol);
  if (tcpProtocols.has(protocol)) return 'tcp';
  return protocol === udpProtocol ? 'udp' : null;
}

/** Null for sockets of other families, unbound ones, and what cannot be a socket. */
export function readSocketFacts(
  space: KernelSpace,
  offsets: SocketOffsets,
  sock: PhysicalAddress,
  protocol: 'tcp' | 'udp',
): SocketFacts | null {
  const { pages } = space;
  const family = pages.u16(sock + offsets.family);
  if (family !== inet && family !== inet6) return null;
  const state = stateOf(pages, offsets, sock);
  const localPort = pages.u16(sock + offsets.localPort);
  const remotePort = swap(pages.u16(sock + offsets.remotePort));
  if ((localPort === 0 && remotePort === 0) || (states[state] ?? null) === null) return null;
  const six = family === inet6;
  const local = sock + (six ? offsets.local6 : offsets.local);
  const remote = sock + (six ? offsets.remote6 : offsets.remote);
  return {
    protocol,
    family: six ? 6 : 4,
    state,
    localPort,
    remotePort,
    local0: pages.u32(local),
    local1: six ? pages.u32(local + 4) : 0,
    local2: six ? pages.u32(local + 8) : 0,
    local3: six ? pages.u32(local + 12) : 0,
    remote0: pages.u32(remote),
    remote1: six ? pages.u32(remote + 4) : 0,
    remote2: six ? pages.u32(remote + 8) : 0,
    remote3: six ? pages.u32(remote + 12) : 0,
    net: space.pointer(sock + offsets.net),
  };
}

/** What is left of a closed connection is kept in small in one list, whether it waits for the other side (FIN_WAIT2) or for time. */
function stateOf(pages: PageCache, offsets: SocketOffsets, sock: PhysicalAddress): number {
  const state = pages.u8(sock + offsets.state);
  return state === timeWait && offsets.remnantState !== null ? pages.u8(sock + offsets.remnantState) : state;
}

export function sameSocket(one: SocketFacts, other: SocketFacts): boolean {
  return sameEndpoints(one, other) && one.state === other.state;
}

function sameEndpoints(one: SocketFacts, other: SocketFacts): boolean {
  return (
    one.localPort === other.localPort &&
    one.remotePort === other.remotePort &&
    one.local0 === other.local0 &&
    one.local1 === other.local1 &&
    one.local2 === other.local2 &&
    one.local3 === other.local3 &&
    one.remote0 === other.remote0 &&
    one.remote1 === other.remote1 &&
    one.remote2 === other.remote2 &&
    one.remote3 === other.remote3 &&
    one.protocol === other.protocol &&
    one.family === other.family &&
    one.net === other.net
  );
}

export function sameHolders(one: readonly SocketHolder[], other: readonly SocketHolder[]): boolean {
  return (
    one.length === other.length &&
    one.every((holder, index) => holder.pid === other[index]?.pid && holder.fd === other[index]?.fd)
  );
}

export function socketView(
  space: KernelSpace,
  facts: SocketFacts,
  holders: readonly SocketHolder[],
  heldUnseen: boolean,
): SocketView {
  const six = facts.family === 6;
  return {
    protocol: facts.protocol,
    family: facts.family,
    state: states[facts.state] ?? 'CLOSE',
    localAddress: six ? ipv6Text(facts.local0, facts.local1, facts.local2, facts.local3) : ipv4Text(facts.local0),
    localPort: facts.localPort,
    remoteAddress: six ? ipv6Text(facts.remote0, facts.remote1, facts.remote2, facts.remote3) : ipv4Text(facts.remote0),
    remotePort: facts.remotePort,
    netNamespace: facts.net === nowhere ? 0 : space.pages.u32(facts.net + space.profile.fields['net.ns.inum']),
    holders,
    ...(heldUnseen ? { heldUnseen } : {}),
  };
}
