// Connections that were accepted, after the fact, with both ends known. When accept has taken a connection, it lets go of the request
// that led to it, and reads on the way what else is to be undone: an entry in the table of such requests, cold otherwise.
// Source: inet_csk_accept and reqsk_put in Linux, 5.10 to 7.x.
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { protocolOf, readSocketFacts, socketOffsets, socketView } from '../../guest/socket-facts.ts';
import type { SocketOffsets } from '../../guest/socket-facts.ts';
import type { SocketView } from '../../guest/guest-view.ts';
import { registerNames } from '../../../protocols/gdb/registers.ts';
import type { Hook, KernelAddress, StopPoint, StoppedCpu } from '../hook.ts';
import { fieldOf, isIn, rangeOf, registerWith, runsInImage } from '../kernel-code.ts';
import type { CodeRange } from '../kernel-code.ts';
import type { HookContext } from './hook-context.ts';
import { plainEvent } from './hook-context.ts';

/** How far up the stack the accept that is being finished is looked for: two small functions may lie between. */
const stackWords = 32;

/** Null where the kernel lacks something, and with breakpoints: there, what was accepted is known only at the way out. */
export function acceptedConnectionHook({ space, processes, technique }: HookContext): Hook | null {
  const range = rangeOf(space, 'inet_csk_accept');
  const tables = (['tcp_request_sock_ops', 'tcp6_request_sock_ops'] as const).flatMap(
    (table) => fieldOf(space, table, 'request_sock_ops.destructor') ?? [],
  );
  if (technique === 'code' || range === null || tables.length === 0) return null;
  const first = space.profile.fields['tcp_sock.copied_seq'];
  const offsets = socketOffsets(space.profile);
  const targets = tables.map(({ physical }) => ({
    high: space.pages.u32(physical + 4),
    low: space.pages.u32(physical),
  }));
  const points = tables.map(({ address }): StopPoint => ({ on: 'data', at: address, sizeBytes: 8, access: 'any' }));
  return {
    name: 'accept',
    points,
    recognise(_guest, cpu) {
      if (!runsInImage(space, cpu) || !holdsTarget(targets, cpu)) return null;
      const stack = stackOf(space, cpu);
      const inside = isIn(range, cpu.registers.high('rip'), cpu.registers.low('rip')) || returnsTo(range, stack);
      if (!inside) return null;
      const accepted = acceptedSocket(space, offsets, cpu, stack);
      const actor = accepted === null ? null : processes.read(cpu.current);
      if (accepted === null || actor === null) return 'nothing';
      const { view, sock } = accepted;
      // Where the peer's numbering began: another for each connection, and nothing was read of it yet.
      const began = first === undefined ? 0 : space.pages.u32(sock + first);
      return {
        key: `accept ${actor.process} ${sock} ${view.remoteAddress} ${view.remotePort} ${began}`,
        event: {
          ...plainEvent('accept', actor),
          proto: 'tcp',
          localAddr: view.localAddress,
          localPort: view.localPort,
          remoteAddr: view.remoteAddress,
          remotePort: view.remotePort,
        },
      };
    },
  };
}

/** What was read is in a register: the function that undoes a request. */
function holdsTarget(targets: readonly KernelAddress[], { registers }: StoppedCpu): boolean {
  return targets.some(({ high, low }) => registerWith(registers, high, low) !== null);
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

function returnsTo(range: CodeRange, stack: readonly KernelAddress[]): boolean {
  return stack.slice(0, stackWords / 2).some(({ high, low }) => isIn(range, high, low));
}

/** The new connection: it is what accept will return, so it is at hand, in a register or where one was put aside. */
function acceptedSocket(
  space: KernelSpace,
  offsets: SocketOffsets,
  { registers }: StoppedCpu,
  stack: readonly KernelAddress[],
): { readonly sock: PhysicalAddress; readonly view: SocketView } | null {
  const words = [...registerNames.map((name) => ({ high: registers.high(name), low: registers.low(name) })), ...stack];
  for (const { high, low } of words) {
    const sock = low % 8 === 0 ? space.linear(high, low) : nowhere;
    if (sock === nowhere || protocolOf(space, offsets, sock) !== 'tcp') continue;
    const facts = readSocketFacts(space, offsets, sock, 'tcp');
    if (facts === null || facts.localPort === 0 || facts.remotePort === 0 || facts.net === nowhere) continue;
    const view = socketView(space, facts, []);
    if (view.state !== 'NEW_SYN_RECV' && view.state !== 'LISTEN' && view.netNamespace !== 0) return { sock, view };
  }
  return null;
}
