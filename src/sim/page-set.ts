// A few pages of guest memory kept apart from their machine: recorded from a running guest, read as if it were one.
import { pageBytes } from '../introspection/memory/guest-memory.ts';
import type { GuestMemory, PhysicalAddress } from '../introspection/memory/guest-memory.ts';

export interface PageSet {
  /** One past the highest byte of the machine's RAM. */
  readonly end: PhysicalAddress;
  /** Page numbers; page `numbers[i]` has the bytes from `i * pageBytes`. */
  readonly numbers: readonly number[];
  readonly bytes: Uint8Array;
}

/** Reads a page set. What was not recorded is not backed by memory. */
export class RecordedMemory implements GuestMemory {
  readonly end: PhysicalAddress;
  /** Calls of `read` so far: each would have been a system call. */
  reads = 0;
  #bytes: Uint8Array;
  #slots: ReadonlyMap<number, number>;

  constructor(pages: PageSet) {
    this.end = pages.end;
    this.#bytes = pages.bytes;
    this.#slots = slotsOf(pages);
  }

  /** The guest has moved on: from now on these pages are read. */
  become(pages: PageSet): void {
    this.#bytes = pages.bytes;
    this.#slots = slotsOf(pages);
  }

  read(address: PhysicalAddress, into: Uint8Array, offset: number, length: number): boolean {
    this.reads += 1;
    for (let done = 0; done < length;) {
      const at = address + done;
      const page = Math.floor(at / pageBytes);
      const slot = this.#slots.get(page);
      if (slot === undefined) return false;
      const within = at - page * pageBytes;
      const take = Math.min(pageBytes - within, length - done);
      into.set(this.#bytes.subarray(slot * pageBytes + within, slot * pageBytes + within + take), offset + done);
      done += take;
    }
    return true;
  }

  close(): void {}
}

function slotsOf({ numbers }: PageSet): ReadonlyMap<number, number> {
  return new Map(numbers.map((number, slot) => [number, slot]));
}

/** Keeps every page that is read through it, as it was when first read: pause the guest, or the pages will not fit together. */
export class PageRecorder implements GuestMemory {
  readonly #memory: GuestMemory;
  readonly #pages = new Map<number, Buffer>();

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  get end(): PhysicalAddress {
    return this.#memory.end;
  }

  get pages(): PageSet {
    const kept = [...this.#pages].toSorted(([one], [other]) => one - other);
    return {
      end: this.end,
      numbers: kept.map(([number]) => number),
      bytes: Buffer.concat(kept.map(([, bytes]) => bytes)),
    };
  }

  read(address: PhysicalAddress, into: Uint8Array, offset: number, length: number): boolean {
    if (!this.#memory.read(address, into, offset, length)) return false;
    for (let page = Math.floor(address / pageBytes); page * pageBytes < address + length; page += 1) this.#keep(page);
    return true;
  }

  close(): void {
    this.#memory.close();
  }

  #keep(page: number): void {
    if (this.#pages.has(page)) return;
    const bytes = Buffer.alloc(pageBytes);
    if (this.#memory.read(page * pageBytes, bytes, 0, pageBytes)) this.#pages.set(page, bytes);
  }
}
