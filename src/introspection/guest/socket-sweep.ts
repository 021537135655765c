// All TCP and UDP sockets of a guest with who holds them, remembering the last sweep so that an unchanged socket is the
// same object again.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { SocketHolder, SocketView } from './guest-view.ts';
import type { Ledger } from './ledger.ts';
import { findOpenSockets } from './open-sockets.ts';
import type { HolderOfFiles } from './open-sockets.ts';
import {
  isOpenAsFile,
  protocolOf,
  readSocketFacts,
  sameHolders,
  sameSocket,
  socketOffsets,
  socketView,
} from './socket-facts.ts';
import type { SocketFacts, SocketOffsets } from './socket-facts.ts';
import { listTableSockets } from './socket-tables.ts';

interface Known {
  readonly facts: SocketFacts;
  readonly view: SocketView;
}

const nobody: readonly SocketHolder[] = [];

export class SocketSweep {
  readonly #space: KernelSpace;
  readonly #offsets: SocketOffsets;
  #known = new Map<PhysicalAddress, Known>();

  constructor(space: KernelSpace) {
    this.#space = space;
    this.#offsets = socketOffsets(space.profile);
  }

  take(processes: readonly HolderOfFiles[], ledger: Ledger): readonly SocketView[] {
    const now = new Map<PhysicalAddress, Known>();
    const views: SocketView[] = [];
    const tuples = new Set<string>();
    for (const [sock, holders] of findOpenSockets(this.#space, processes, ledger)) {
      const protocol = protocolOf(this.#space, this.#offsets, sock);
      const known = protocol === null ? null : this.#look(sock, protocol, holders);
      if (known === null) continue;
      now.set(sock, known);
      views.push(known.view);
      if (protocol === 'tcp') tuples.add(tupleOf(known.view));
    }
    for (const sock of listTableSockets(this.#space, ledger)) {
      if (now.has(sock)) continue;
      const known = this.#look(sock, 'tcp', nobody);
      // A multipath connection is in the tables by its parts, which nobody holds, and is held as a whole.
      if (known === null || tuples.has(tupleOf(known.view))) continue;
      now.set(sock, known);
      views.push(known.view);
    }
    this.#known = now;
    return views;
  }

  #look(sock: PhysicalAddress, protocol: 'tcp' | 'udp', holders: readonly SocketHolder[]): Known | null {
    const facts = readSocketFacts(this.#space, this.#offsets, sock, protocol);
    if (facts === null) return null;
    const heldUnseen = holders.length === 0 && isOpenAsFile(this.#space, sock, facts);
    const before = this.#known.get(sock);
    if (
      before !== undefined &&
      sameSocket(before.facts, facts) &&
      sameHolders(before.view.holders, holders) &&
      (before.view.heldUnseen === true) === heldUnseen
    )
      return before;
    return { facts, view: socketView(this.#space, facts, holders, heldUnseen) };
  }
}

function tupleOf(view: SocketView): string {
  return `${view.netNamespace} ${view.localAddress} ${view.localPort} ${view.remoteAddress} ${view.remotePort}`;
}
