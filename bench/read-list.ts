// Guest memory that remembers what was read of it, so that the same can be read again without a sweep around it.
import type { GuestMemory, PhysicalAddress } from '../src/introspection/memory/guest-memory.ts';

export class ReadList implements GuestMemory {
  readonly end: PhysicalAddress;
  #reads: { readonly address: PhysicalAddress; readonly length: number }[] = [];
  readonly #memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
    this.end = memory.end;
  }

  get reads(): readonly { readonly address: PhysicalAddress; readonly length: number }[] {
    return this.#reads;
  }

  clear(): void {
    this.#reads = [];
  }

  read(address: PhysicalAddress, into: Uint8Array, offset: number, length: number): boolean {
    this.#reads.push({ address, length });
    return this.#memory.read(address, into, offset, length);
  }

  close(): void {
    this.#memory.close();
  }
}
