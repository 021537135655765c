// The sockets that processes hold open, found through their file descriptor tables.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { SocketHolder } from './guest-view.ts';
import type { Ledger } from './ledger.ts';

const descriptorsPerProcessMax = 1_048_576;
/** Words of 32 descriptors looked at in one sweep, all processes together. */
const wordsPerSweepMax = 1_000_000;
const descriptorsPerSweepMax = 2_000_000;
export const holdersPerSocketMax = 256;

export interface HolderOfFiles {
  readonly pid: number;
  /** The process's `files_struct`. */
  readonly files: PhysicalAddress;
}

/** Who holds which sock, by its address. */
export function findOpenSockets(
  space: KernelSpace,
  processes: readonly HolderOfFiles[],
  ledger: Ledger,
): Map<PhysicalAddress, SocketHolder[]> {
  const walk = new DescriptorWalk(space, ledger);
  for (const process of processes) walk.visit(process);
  return walk.holders;
}

class DescriptorWalk {
  readonly holders = new Map<PhysicalAddress, SocketHolder[]>();
  readonly #space: KernelSpace;
  readonly #ledger: Ledger;
  readonly #socketOperations: PhysicalAddress;
  /** Many processes inherit the same open files: what a file is gets decided once per sweep. `nowhere` = no socket. */
  readonly #sockOfFile = new Map<PhysicalAddress, PhysicalAddress>();
  #wordsLeft = wordsPerSweepMax;
  #descriptorsLeft = descriptorsPerSweepMax;

  constructor(space: KernelSpace, ledger: Ledger) {
    this.#space = space;
    this.#ledger = ledger;
    this.#socketOperations = space.symbol('socket_file_ops');
  }

  visit({ pid, files }: HolderOfFiles): void {
    const { fields } = this.#space.profile;
    const table = this.#space.pointer(files + fields['files_struct.fdt']);
    if (table === nowhere) return;
    const size = this.#space.pages.u32(table + fields['fdtable.max_fds']);
    const open = this.#space.array(table + fields['fdtable.open_fds']);
    const descriptors = this.#space.array(table + fields['fdtable.fd']);
    if (open === null || descriptors === null) return;
    if (size > descriptorsPerProcessMax) this.#ledger.note('bounded', 'a process with too many file descriptors');
    const words = Math.ceil(Math.min(size, descriptorsPerProcessMax) / 32);
    for (let word = 0; word < words; word += 1) {
      if (!this.#spendWord()) return;
      let bits = this.#space.pages.u32(this.#space.element(open, word, 4));
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        this.#descriptorsLeft -= 1;
        const fd = word * 32 + bit;
        const file = this.#file(this.#space.element(descriptors, fd, 8));
        // A descriptor may be reserved before its file is there.
        if (file !== nowhere) this.#hold(file, pid, fd);
      }
    }
  }

  /** The low two bits of a descriptor's pointer can carry flags. */
  #file(at: PhysicalAddress): PhysicalAddress {
    if (at === nowhere) return nowhere;
    const low = this.#space.pages.u32(at);
    return this.#space.object(this.#space.pages.u32(at + 4), low - (low & 3));
  }

  #hold(file: PhysicalAddress, pid: number, fd: number): void {
    let sock = this.#sockOfFile.get(file);
    if (sock === undefined) {
      sock = this.#sockOf(file);
      this.#sockOfFile.set(file, sock);
    }
    if (sock === nowhere) return;
    const known = this.holders.get(sock);
    if (known === undefined) this.holders.set(sock, [{ pid, fd }]);
    else if (known.length < holdersPerSocketMax) known.push({ pid, fd });
    else this.#ledger.note('bounded', `a socket held open more than ${holdersPerSocketMax} times`);
  }

  #sockOf(file: PhysicalAddress): PhysicalAddress {
    const { fields } = this.#space.profile;
    if (this.#space.maybePointer(file + fields['file.f_op']) !== this.#socketOperations) return nowhere;
    const socket = this.#space.pointer(file + fields['file.private_data']);
    return socket === nowhere ? nowhere : this.#space.pointer(socket + fields['socket.sk']);
  }

  #spendWord(): boolean {
    this.#wordsLeft -= 1;
    if (this.#wordsLeft > 0 && this.#descriptorsLeft > 0) return true;
    if (this.#wordsLeft === 0) this.#ledger.note('bounded', 'more file descriptors than one sweep looks at');
    return false;
  }
}
