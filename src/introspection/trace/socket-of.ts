// The socket a stopped CPU is about to call through: found among its registers by what it points to, whatever the compiler did.
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { OptionalSymbolName } from '../kernel/kernel-profile.ts';
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { ipv4Text, ipv6Text } from '../guest/ip-address.ts';
import { registerNames } from '../../protocols/gdb/registers.ts';
import type { RegisterName, Registers } from '../../protocols/gdb/registers.ts';
import { objectIn } from './kernel-code.ts';

export interface Endpoint {
  /** Text form, as in a sweep. */
  readonly address: string;
  readonly port: number;
}

export interface SocketAtHand {
  /** The protocol's part of it. */
  readonly sock: PhysicalAddress;
  /** Of the call's part: include/linux/net.h; null when it cannot be told. */
  readonly state: number | null;
  /** Names this socket: its inode number, which the kernel counts upwards. */
  readonly id: string;
  /** Port 0: not bound. */
  readonly local: Endpoint;
}

const inet6 = 10;
/** First argument, then where compilers keep it. */
const likeliest: readonly RegisterName[] = ['rdi', 'rbx', 'rbp', 'r12', 'r13', 'r14', 'r15'];
const order: readonly RegisterName[] = [
  ...likeliest,
  ...registerNames.filter((name) => name !== 'rip' && name !== 'rsp' && !likeliest.includes(name)),
];

export function socketOf(
  space: KernelSpace,
  registers: Registers,
  tables: readonly OptionalSymbolName[],
): SocketAtHand | null {
  const ops = space.profile.fields['socket.ops'];
  if (ops === undefined) return null;
  const owned = tables.flatMap((table) => space.optionalSymbol(table) ?? []);
  for (const name of order) {
    if (registers.low(name) % 8 !== 0) continue;
    const socket = objectIn(space, registers, name);
    if (socket === nowhere || !owned.includes(space.maybePointer(socket + ops))) continue;
    const sock = space.pointer(socket + space.profile.fields['socket.sk']);
    if (sock !== nowhere) return atHand(space, socket, sock);
  }
  return null;
}

function atHand(space: KernelSpace, socket: PhysicalAddress, sock: PhysicalAddress): SocketAtHand {
  const { fields } = space.profile;
  const state = fields['socket.state'];
  const inode = fields['socket_alloc.vfs_inode'];
  const number = fields['inode.i_ino'];
  const id =
    inode === undefined || number === undefined ? `@${socket}` : String(space.pages.u64(socket + inode + number));
  return {
    sock,
    state: state === undefined ? null : space.pages.u32(socket + state),
    id,
    local: localOf(space, sock),
  };
}

function localOf(space: KernelSpace, sock: PhysicalAddress): Endpoint {
  const { fields } = space.profile;
  const port = space.pages.u16(sock + fields['sock_common.skc_num']);
  if (space.pages.u16(sock + fields['sock_common.skc_family']) !== inet6) {
    return { address: ipv4Text(space.pages.u32(sock + fields['sock_common.skc_rcv_saddr'])), port };
  }
  const at = sock + fields['sock_common.skc_v6_rcv_saddr'];
  const [word0 = 0, word1 = 0, word2 = 0, word3 = 0] = [0, 4, 8, 12].map((offset) => space.pages.u32(at + offset));
  return { address: ipv6Text(word0, word1, word2, word3), port };
}
