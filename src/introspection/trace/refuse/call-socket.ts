// The socket that a stopped call is about: found among the CPU's registers by the table the call goes through, which the socket names itself.
import { ipv4Text, ipv6Text } from '../../guest/ip-address.ts';
import { protocolOf, socketOffsets } from '../../guest/socket-facts.ts';
import type { SocketOffsets } from '../../guest/socket-facts.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import type { Registers } from '../../../protocols/gdb/registers.ts';
import type { Endpoint } from './socket-address.ts';
import type { KernelAddress } from '../hook.ts';
import { addressAt, objectsHeld, sameAddress } from './kernel-address.ts';

const inet6 = 10;

export interface CallSocket {
  readonly sock: PhysicalAddress;
  readonly proto: 'tcp' | 'udp';
  readonly local: Endpoint;
  /** Number of the socket's inode, not given to another for four thousand million sockets; 0 when it cannot be read. */
  readonly inode: number;
}

/** Tables of a protocol (`tcp_prot`), or of what a program may do with a socket (`inet_stream_ops`). */
export type TableKind = 'protocol' | 'operations';

export interface CalledSocket {
  readonly table: PhysicalAddress;
  readonly socket: CallSocket;
}

export class CallSockets {
  readonly #space: KernelSpace;
  readonly #offsets: SocketOffsets;

  constructor(space: KernelSpace) {
    this.#space = space;
    this.#offsets = socketOffsets(space.profile);
  }

  /**
   * The socket among what the registers point to whose table has `target` at `offset`, and that table. Several tables hold the same
   * function: the socket says which of them it goes by.
   */
  calledBy(registers: Registers, of: TableKind, offset: number, target: KernelAddress): CalledSocket | null {
    const { fields } = this.#space.profile;
    const tableField = this.#tableField(of);
    if (tableField === undefined) return null;
    for (const object of objectsHeld(this.#space, registers)) {
      const table = this.#space.maybePointer(object + tableField);
      if (table === nowhere || !sameAddress(addressAt(this.#space, table + offset), target)) continue;
      const sock = of === 'protocol' ? object : this.#space.maybePointer(object + fields['socket.sk']);
      const socket = sock === nowhere ? null : this.read(sock);
      if (socket !== null) return { table, socket };
    }
    return null;
  }

  /** Whether what the registers point to is a socket that goes by one of these tables, whatever that holds. */
  goesBy(registers: Registers, of: TableKind, tables: readonly PhysicalAddress[]): boolean {
    const field = this.#tableField(of);
    if (field === undefined) return false;
    return objectsHeld(this.#space, registers).some((object) =>
      tables.includes(this.#space.maybePointer(object + field)),
    );
  }

  #tableField(of: TableKind): number | undefined {
    const { fields } = this.#space.profile;
    return of === 'protocol' ? fields['sock_common.skc_prot'] : fields['socket.ops'];
  }

  /** Of a `struct socket`, whatever its table; null when it is no internet socket. */
  ofSocket(socket: PhysicalAddress): CallSocket | null {
    if (socket === nowhere) return null;
    const sock = this.#space.maybePointer(socket + this.#space.profile.fields['socket.sk']);
    return sock === nowhere ? null : this.read(sock);
  }

  /** Null for what is neither TCP nor UDP. */
  read(sock: PhysicalAddress): CallSocket | null {
    const { pages } = this.#space;
    const family = pages.u16(sock + this.#offsets.family);
    const proto = family === 2 || family === inet6 ? protocolOf(this.#space, this.#offsets, sock) : null;
    if (proto === null) return null;
    const six = sock + this.#offsets.local6;
    const address =
      family === inet6
        ? ipv6Text(pages.u32(six), pages.u32(six + 4), pages.u32(six + 8), pages.u32(six + 12))
        : ipv4Text(pages.u32(sock + this.#offsets.local));
    const local = { address, port: pages.u16(sock + this.#offsets.localPort) };
    return { sock, proto, local, inode: this.#inodeOf(sock) };
  }

  #inodeOf(sock: PhysicalAddress): number {
    const { fields } = this.#space.profile;
    const of = fields['sock.sk_socket'];
    const socket = fields['socket_alloc.socket'];
    const inode = fields['socket_alloc.vfs_inode'];
    const number = fields['inode.i_ino'];
    if (of === undefined || socket === undefined || inode === undefined || number === undefined) return 0;
    const at = this.#space.maybePointer(sock + of);
    return at === nowhere ? 0 : this.#space.pages.u32(at - socket + inode + number);
  }
}
