// Connections that were accepted, after the fact, with both ends known. When accept has taken a connection, the request that led to it
// is let go of, and whoever lets go of it last reads on the way what else is to be undone: an entry in the table of such requests,
// cold otherwise. Nearly always that is accept itself; when the handshake's last packet is still being worked on by another CPU, it is
// that one, and the connection was taken by whoever accepts from that listener.
// Source: inet_csk_accept, tcp_v4_rcv and reqsk_put in Linux, 5.10 to 7.x.
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { protocolOf, readSocketFacts, socketOffsets, socketView } from '../../guest/socket-facts.ts';
import { RecentMap } from '../../../kit/recent-map.ts';
import { registerNames } from '../../../protocols/gdb/registers.ts';
import type { Hook, KernelAddress, Sighting, StopPoint, StoppedCpu } from '../hook.ts';
import { fieldOf, isIn, rangeOf, registerWith, runsInImage } from '../kernel-code.ts';
import type { CodeRange } from '../kernel-code.ts';
import type { Actor } from '../process-facts.ts';
import type { HookContext } from './hook-context.ts';
import { plainEvent } from './hook-context.ts';

/** How far up the stack the call that is being finished is looked for: two small functions may lie between. */
const stackWords = 32;
const listenersMax = 1024;
const tables = ['tcp_request_sock_ops', 'tcp6_request_sock_ops'] as const;

/** Null where the kernel lacks something, and with breakpoints: there, what was accepted is known only at the way out. */
export function acceptedConnectionHook({ space, processes, technique }: HookContext): Hook | null {
  const accept = rangeOf(space, 'inet_csk_accept');
  const stop = rangeOf(space, 'inet_csk_listen_stop');
  const entries = tables.flatMap((table) => fieldOf(space, table, 'request_sock_ops.destructor') ?? []);
  const requests = requestReader(space);
  if (technique === 'code' || accept === null || entries.length === 0 || requests === null) return null;
  const points = entries.map(({ address }): StopPoint => ({ on: 'data', at: address, sizeBytes: 8, access: 'any' }));
  const targets = entries.map(({ physical }) => ({
    high: space.pages.u32(physical + 4),
    low: space.pages.u32(physical),
  }));
  /** Who last took a connection from a listener. */
  const acceptors = new RecentMap<PhysicalAddress, Actor>(listenersMax);
  return {
    name: 'accept',
    points,
    recognise(_guest, cpu) {
      if (!runsInImage(space, cpu) || !holdsOne(targets, cpu)) return null;
      const stack = stackOf(space, cpu);
      const request = requests(cpu, stack);
      // Refused, forgotten or never taken: it was let go of without a connection, or with its listener.
      if (request === null || isInside(stop, cpu, stack)) return 'nothing';
      const actor = isInside(accept, cpu, stack)
        ? processes.read(cpu.current)
        : stillThere(processes.read(acceptors.get(request.listener)?.task ?? nowhere), acceptors.get(request.listener));
      if (actor === null) return 'nothing';
      acceptors.set(request.listener, actor);
      return sighted(space, actor, request) ?? 'nothing';
    },
  };
}

interface TakenRequest {
  readonly listener: PhysicalAddress;
  /** The connection that came of it. */
  readonly sock: PhysicalAddress;
}

type ReadRequest = (cpu: StoppedCpu, stack: readonly KernelAddress[]) => TakenRequest | null;

/** Finds the request that is at hand, in a register or where one was put aside, by the table that it names. */
function requestReader(space: KernelSpace): ReadRequest | null {
  const { fields } = space.profile;
  const ops = fields['request_sock.rsk_ops'];
  const child = fields['request_sock.sk'];
  const listenerAt = fields['request_sock.rsk_listener'];
  const owned = tables.flatMap((table) => space.optionalSymbol(table) ?? []);
  if (ops === undefined || child === undefined || listenerAt === undefined) return null;
  return ({ registers }, stack) => {
    const words = registerNames.map((name) => ({ high: registers.high(name), low: registers.low(name) }));
    for (const { high, low } of [...words, ...stack]) {
      const request = low % 8 === 0 ? space.linear(high, low) : nowhere;
      if (request === nowhere || !owned.includes(space.maybePointer(request + ops))) continue;
      const sock = space.maybePointer(request + child);
      return sock === nowhere ? null : { sock, listener: space.maybePointer(request + listenerAt) };
    }
    return null;
  };
}

function sighted(space: KernelSpace, actor: Actor, { sock, listener }: TakenRequest): Sighting | null {
  const offsets = socketOffsets(space.profile);
  if (protocolOf(space, offsets, sock) !== 'tcp') return null;
  const facts = readSocketFacts(space, offsets, sock, 'tcp');
  if (facts === null) return null;
  const { localAddress, localPort, remoteAddress, remotePort } = socketView(space, facts, [], false);
  // Where the peer's numbering began: another for each connection, and nothing was read of it yet.
  const first = space.profile.fields['tcp_sock.copied_seq'];
  const began = first === undefined ? 0 : space.pages.u32(sock + first);
  return {
    key: `accept ${listener} ${sock} ${remoteAddress} ${remotePort} ${began}`,
    event: {
      ...plainEvent('accept', actor),
      proto: 'tcp',
      localAddr: localAddress,
      localPort,
      remoteAddr: remoteAddress,
      remotePort,
    },
  };
}

/** The same process as then: a task's place may have been given to another. */
function stillThere(now: Actor | null, then: Actor | undefined): Actor | null {
  return now !== null && now.process === then?.process ? now : null;
}

/** What was read is in a register: the function that undoes a request. */
function holdsOne(targets: readonly KernelAddress[], { registers }: StoppedCpu): boolean {
  return targets.some(({ high, low }) => registerWith(registers, high, low) !== null);
}

function isInside(range: CodeRange | null, { registers }: StoppedCpu, stack: readonly KernelAddress[]): boolean {
  const returns = stack.slice(0, stackWords / 2).some(({ high, low }) => isIn(range, high, low));
  return returns || isIn(range, registers.high('rip'), registers.low('rip'));
}

function stackOf(space: KernelSpace, { registers }: StoppedCpu): readonly KernelAddress[] {
  const high = registers.high('rsp');
  const low = registers.low('rsp');
  const words: KernelAddress[] = [];
  for (let index = 0; index < stackWords; index += 1) {
    const sum = low + 8 * index;
    const at = space.anywhere((high + Math.floor(sum / 0x1_0000_0000)) % 0x1_0000_0000, sum % 0x1_0000_0000);
    if (at === nowhere) break;
    words.push({ high: space.pages.u32(at + 4), low: space.pages.u32(at) });
  }
  return words;
}
