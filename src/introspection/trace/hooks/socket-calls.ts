// Connections opened, addresses bound, listeners made: whatever way a program asks for it, the kernel calls through the table of the
// socket's kind. Under emulation the table's entry is watched: it is caught right after it was read and before it is called. With
// breakpoints, the function that it holds is. All of these are attempts: whether they succeed is not known yet.
// Source: include/linux/net.h and net/ipv4/af_inet.c in Linux, 5.10 to 7.x.
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { OptionalFieldName, OptionalSymbolName } from '../../kernel/kernel-profile.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { protocolOf, socketOffsets } from '../../guest/socket-facts.ts';
import type { Hook, KernelAddress, Sighting, StopPoint, StoppedCpu } from '../hook.ts';
import { fieldOf, isIn, registerWith, runsInImage } from '../kernel-code.ts';
import type { Actor } from '../process-facts.ts';
import { socketOf } from '../socket-of.ts';
import type { SocketAtHand } from '../socket-of.ts';
import { endpointIn } from '../user-endpoint.ts';
import type { HookContext } from './hook-context.ts';
import { plainEvent } from './hook-context.ts';

type CallKind = 'connect' | 'bind' | 'listen';

interface Call {
  readonly kind: CallKind;
  readonly tables: readonly OptionalSymbolName[];
  readonly field: OptionalFieldName;
}

/** In the order in which they matter where the points are few. */
const calls: readonly Call[] = [
  { kind: 'connect', tables: ['inet_stream_ops', 'inet6_stream_ops'], field: 'proto_ops.connect' },
  { kind: 'listen', tables: ['inet_stream_ops', 'inet6_stream_ops'], field: 'proto_ops.listen' },
  { kind: 'connect', tables: ['inet_dgram_ops', 'inet6_dgram_ops'], field: 'proto_ops.connect' },
  { kind: 'bind', tables: ['inet_stream_ops', 'inet6_stream_ops'], field: 'proto_ops.bind' },
  { kind: 'bind', tables: ['inet_dgram_ops', 'inet6_dgram_ops'], field: 'proto_ops.bind' },
];

/** include/linux/net.h: a stream socket that is not connected nor on its way to be. */
const unconnected = 1;
/** include/net/tcp_states.h. */
const listening = 10;

export function socketCallHooks(context: HookContext, kinds: ReadonlySet<string>): readonly Hook[] {
  return calls.filter(({ kind }) => kinds.has(kind)).flatMap((call) => callHook(context, call) ?? []);
}

/** A table's entry: where it lies, and where the function it held when tracing began is. */
interface Entry {
  readonly at: KernelAddress;
  readonly physical: PhysicalAddress;
  readonly target: KernelAddress;
}

function callHook(context: HookContext, call: Call): Hook | null {
  const { space, technique } = context;
  const entries = call.tables.flatMap((table) => entryOf(space, table, call.field) ?? []);
  if (entries.length === 0) return null;
  const points = entries.map(({ at, target }): StopPoint =>
    technique === 'code' ? { on: 'code', at: target } : { on: 'data', at, sizeBytes: 8, access: 'any' },
  );
  return {
    name: `${call.kind} (${call.tables.join(', ')})`,
    points,
    recognise(guest, cpu) {
      if (!isCalling(space, technique, entries, cpu)) return null;
      const socket = socketOf(guest.space, cpu.registers, call.tables);
      if (socket === null) return 'nothing';
      const actor = context.processes.read(cpu.current);
      return actor === null ? 'nothing' : sighted(space, call.kind, cpu, actor, socket);
    },
  };
}

function entryOf(space: KernelSpace, table: OptionalSymbolName, field: OptionalFieldName): Entry | null {
  const found = fieldOf(space, table, field);
  if (found === null) return null;
  const target = { high: space.pages.u32(found.physical + 4), low: space.pages.u32(found.physical) };
  return target.high === 0 ? null : { at: found.address, physical: found.physical, target };
}

/** With a watched entry: the function's address is in a register, loaded and not called yet, or called this very moment. */
function isCalling(
  space: KernelSpace,
  technique: HookContext['technique'],
  entries: readonly Entry[],
  cpu: StoppedCpu,
): boolean {
  const { registers } = cpu;
  if (technique === 'data' && !runsInImage(space, cpu)) return false;
  return entries.some(({ target: { high, low } }) =>
    technique === 'code'
      ? isIn({ startLow: low, endLow: low + 1 }, registers.high('rip'), registers.low('rip')) &&
        registers.high('rip') === high
      : registerWith(registers, high, low) !== null,
  );
}

function sighted(
  space: KernelSpace,
  kind: CallKind,
  cpu: StoppedCpu,
  actor: Actor,
  socket: SocketAtHand,
): Sighting | 'nothing' {
  const proto = protocolOf(space, socketOffsets(space.profile), socket.sock);
  // ICMP and the like share a table with UDP.
  if (proto === null) return 'nothing';
  const event = { ...plainEvent(kind, actor), proto };
  if (kind === 'listen') return listenSeen(space, event, actor, socket);
  const named = endpointIn(space, cpu.registers, 'rsi');
  if (named === null) return 'nothing';
  const key = `${kind} ${actor.process} ${socket.id} ${named.address} ${named.port}`;
  if (kind === 'bind') {
    return { key, repeatable: true, event: { ...event, localAddr: named.address, localPort: named.port } };
  }
  if (proto === 'tcp' && socket.state !== null && socket.state !== unconnected) return 'nothing';
  const bound = socket.local.port === 0 ? null : socket.local;
  return {
    key,
    repeatable: true,
    event: {
      ...event,
      localAddr: bound?.address ?? null,
      localPort: bound?.port ?? null,
      remoteAddr: named.address,
      remotePort: named.port,
    },
  };
}

function listenSeen(
  space: KernelSpace,
  event: Sighting['event'],
  actor: Actor,
  { sock, id, local }: SocketAtHand,
): Sighting | 'nothing' {
  const state = space.pages.u8(sock + space.profile.fields['sock_common.skc_state']);
  if (state === listening) return 'nothing';
  return {
    key: `listen ${actor.process} ${id} ${local.address} ${local.port}`,
    repeatable: true,
    event: { ...event, localAddr: local.address, localPort: local.port },
  };
}
