// Connections, datagrams to new peers, listeners: each call goes through a table of the protocol's functions, and is refused on the way.
//
// Connections are met at the protocol's own table, not at the socket call's: there every way to open one comes by, also data sent along with
// the opening (TCP Fast Open), subflows of MPTCP, and what is asked through io_uring.
// Source: net/ipv4/af_inet.c (__inet_stream_connect, inet_dgram_connect, inet_sendmsg) and net/socket.c in Linux, 5.10 to 7.x.
import type { OptionalFieldName, OptionalSymbolName } from '../../../kernel/kernel-profile.ts';
import { nowhere } from '../../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../../kernel/kernel-space.ts';
import type { Registers } from '../../../../protocols/gdb/registers.ts';
import type { Hook, KernelAddress, Sighting, StoppedCpu } from '../../hook.ts';
import { inImage, objectIn } from '../../kernel-code.ts';
import type { TracedKind } from '../../trace-event.ts';
import { CallSockets } from '../../refuse/call-socket.ts';
import type { CallSocket, TableKind } from '../../refuse/call-socket.ts';
import type { FailingName } from '../../refuse/failing-function.ts';
import { addressAt, addressIn } from '../../refuse/kernel-address.ts';
import { surroundings } from '../../refuse/load-instruction.ts';
import { pendingCall } from '../../refuse/pending-call.ts';
import { redirectRefusal, returnRefusal, tableSlots, watchOf } from '../../refuse/refusable-call.ts';
import { readSocketAddress } from '../../refuse/socket-address.ts';
import type { Endpoint } from '../../refuse/socket-address.ts';
import { plainEvent } from '../hook-context.ts';
import { actorBehind } from './attempt-context.ts';
import type { AttemptContext } from './attempt-context.ts';

/** A function finds these as it left them after each call it makes, so its own arguments are kept in them. */
const preservedRegisters = ['rbx', 'rbp', 'r12', 'r13', 'r14', 'r15'] as const;

type SocketKind = Extract<TracedKind, 'connect' | 'listen' | 'bind'>;

interface SocketCall {
  readonly name: string;
  readonly kind: SocketKind;
  readonly tables: readonly OptionalSymbolName[];
  readonly field: OptionalFieldName;
  readonly of: TableKind;
  /** What names the other side, or for a listener its own: an address handed over, that of a message, or the socket's own. */
  readonly peer: 'address' | 'message' | 'none';
  readonly sameKind: FailingName;
  /** The function that every such call passes, for breakpoints. */
  readonly check: Extract<
    OptionalSymbolName,
    'security_socket_connect' | 'security_socket_listen' | 'security_socket_bind'
  > | null;
}

const calls = {
  connect: {
    name: 'connect-attempt',
    kind: 'connect',
    tables: ['tcp_prot', 'tcpv6_prot', 'tcp_prot_override', 'tcpv6_prot_override', 'udp_prot', 'udpv6_prot'],
    field: 'proto.connect',
    of: 'protocol',
    peer: 'address',
    sameKind: 'sock_no_connect',
    check: 'security_socket_connect',
  },
  send: {
    name: 'send-attempt',
    kind: 'connect',
    tables: ['udp_prot', 'udpv6_prot'],
    field: 'proto.sendmsg',
    of: 'protocol',
    peer: 'message',
    sameKind: 'sock_no_connect',
    check: null,
  },
  listen: {
    name: 'listen-attempt',
    kind: 'listen',
    tables: ['inet_stream_ops', 'inet6_stream_ops', 'mptcp_stream_ops', 'mptcp_v6_stream_ops'],
    field: 'proto_ops.listen',
    of: 'operations',
    peer: 'none',
    sameKind: 'sock_no_listen',
    check: 'security_socket_listen',
  },
  bind: {
    name: 'bind-attempt',
    kind: 'bind',
    tables: [
      'inet_dgram_ops',
      'inet6_dgram_ops',
      'inet_stream_ops',
      'inet6_stream_ops',
      'mptcp_stream_ops',
      'mptcp_v6_stream_ops',
    ],
    field: 'proto_ops.bind',
    of: 'operations',
    peer: 'address',
    sameKind: 'sock_no_bind',
    check: 'security_socket_bind',
  },
} as const satisfies Record<string, SocketCall>;

export type SocketCallName = keyof typeof calls;

/** Null when this kernel does not show such calls before they are made. */
export function socketAttemptHook(context: AttemptContext, which: SocketCallName): Hook | null {
  return context.technique === 'code' ? codeHook(context, calls[which]) : dataHook(context, calls[which]);
}

function dataHook(context: AttemptContext, call: SocketCall): Hook | null {
  const { space } = context;
  const slots = tableSlots(space, call.tables, call.field);
  const sockets = new CallSockets(space);
  const tables = slots.map(({ table }) => table);
  if (slots.length === 0) return null;
  return {
    name: call.name,
    ...(call.peer === 'message' ? {} : { insteadOf: call.kind }),
    points: slots.map(watchOf),
    recognise(guest, cpu) {
      const places = surroundings(space, cpu.registers);
      for (const slot of slots) {
        const pending = pendingCall(space, cpu, slot, places);
        if (pending === null) continue;
        const target = addressAt(space, slot.table + slot.offset);
        const called = sockets.calledBy(cpu.registers, call.of, slot.offset, target);
        if (called === null) {
          // An IPv6 socket's function calls that of IPv4 by its name for an IPv4 peer: it was decided upon when it was called itself.
          if (pending.state === 'entered' && sockets.goesBy(cpu.registers, call.of, tables)) continue;
          context.onDoubt(`${call.kind}: the socket could not be read`);
          return 'nothing';
        }
        // Of another table with the same function, one that nobody asked about.
        const own = slots.find(({ table }) => table === called.table);
        if (own === undefined) return null;
        const refusal = redirectRefusal({ guest, cpu, kill: context.kill }, own, pending, call.sameKind);
        return sighted(context, call, cpu, { socket: called.socket, refusal });
      }
      return null;
    },
  };
}

function codeHook(context: AttemptContext, call: SocketCall): Hook | null {
  const { space } = context;
  const check = call.check === null ? undefined : space.profile.symbols[call.check];
  if (check === undefined) return null;
  const at = inImage(space, check);
  const sockets = new CallSockets(space);
  return {
    name: call.name,
    ...(call.peer === 'message' ? {} : { insteadOf: call.kind }),
    points: [{ on: 'code', at }],
    recognise(guest, cpu) {
      if (cpu.registers.low('rip') !== at.low || cpu.registers.high('rip') !== at.high) return null;
      const socket = sockets.ofSocket(objectIn(space, cpu.registers, 'rdi'));
      // Sockets of other families pass here as well.
      if (socket === null) return 'nothing';
      return sighted(context, call, cpu, { socket, refusal: returnRefusal({ guest, cpu, kill: context.kill }) });
    },
  };
}

function sighted(
  context: AttemptContext,
  call: SocketCall,
  cpu: StoppedCpu,
  { socket, refusal }: { readonly socket: CallSocket; readonly refusal: NonNullable<Sighting['refusal']> },
): Sighting | 'nothing' {
  const given = givenAddress(context, call, cpu);
  // A message that names nobody goes where its socket was connected to, and that was asked about.
  if (given === 'nobody') return 'nothing';
  const actor = actorBehind(context, cpu.current);
  if (given === null || actor === null) {
    context.onDoubt(`${call.kind}: the address or the process could not be read`);
    return 'nothing';
  }
  const local = call.kind === 'bind' ? (given ?? socket.local) : socket.local;
  const remote = call.kind === 'connect' ? given : undefined;
  const peer = given === undefined ? local : given;
  return {
    key: `${call.name} ${actor.process} ${socket.inode} ${peer.address} ${peer.port}`,
    // One socket that asks for the same again is told once: a CPU may be seen at one call at several stops.
    repeatable: socket.inode === 0,
    actor,
    event: {
      ...plainEvent(call.kind, actor),
      proto: socket.proto,
      localAddr: local.address,
      localPort: local.port,
      remoteAddr: remote?.address ?? null,
      remotePort: remote?.port ?? null,
    },
    // A bound TCP socket is no listener yet, and a client may bind one: told, not asked about.
    ...(call.kind === 'bind' && socket.proto === 'tcp' ? {} : { refusal }),
  };
}

/** undefined = such calls have none; null = there is one and it cannot be read. */
function givenAddress(
  { space }: AttemptContext,
  call: SocketCall,
  { registers }: StoppedCpu,
): Endpoint | 'nobody' | null | undefined {
  switch (call.peer) {
    case 'none':
      return undefined;
    case 'address':
      return handedOver(space, registers);
    case 'message': {
      const field = space.profile.fields['msghdr.msg_name'];
      const message = space.anywhere(registers.high('rsi'), registers.low('rsi'));
      if (field === undefined || message === nowhere) return null;
      const name: KernelAddress = addressAt(space, message + field);
      if (name.high === 0 && name.low === 0) return 'nobody';
      return readSocketAddress(space, name, { unspecifiedIsInet: true });
    }
  }
}

/** The second argument of the call: where arguments go, or where the compiler kept it until the pointer to call was loaded. */
function handedOver(space: KernelSpace, registers: Registers): Endpoint | null {
  const first = readSocketAddress(space, addressIn(registers, 'rsi'));
  if (first !== null) return first;
  for (const name of preservedRegisters) {
    const found = readSocketAddress(space, addressIn(registers, name));
    if (found !== null) return found;
  }
  return null;
}
