// Guest pages of one sweep, read once and decoded in place. A 4 KiB read costs about what an 8-byte read does, so
// everything is read by whole pages into one arena that is kept from sweep to sweep: a steady sweep allocates nothing.
//
// Refusals have no exceptions: a page that cannot be read shows zeros and is counted in `faults`, so that walks end at
// a null pointer, and whoever puts an object together compares the count before and after.
import { pageBytes } from './guest-memory.ts';
import type { GuestMemory, PhysicalAddress } from './guest-memory.ts';

const wordsPerPage = pageBytes / 4;
const firstCapacity = 128;
/** Kept by a cache that rests. */
const restingCapacity = 8;
/** Holes up to this many pages are read along rather than costing a system call of their own. */
const gapPages = 2;
/** Longest stretch read with one system call. */
const runPages = 64;
/** Slot 0 is the page of zeros that stands for every page that cannot be read. */
const zeroSlot = 0;
/** Lies below every address that arithmetic on pointers can come to. */
const noPage = -0x4000_0000;

/** A stretch of pages read at the start of a sweep into adjoining slots. */
interface Run {
  readonly page: number;
  readonly count: number;
  readonly slot: number;
}

export interface PageCacheOptions {
  /** Pages kept at most; past it the cache starts over, at the price of reading some twice. Default 8192 (32 MiB). */
  readonly pagesMax?: number;
  /** Start each sweep by reading what the last one looked at. Default true. */
  readonly readAhead?: boolean;
}

const pagesMaxDefault = 8192;

export class PageCache {
  readonly memory: GuestMemory;
  readonly #pagesMax: number;
  readonly #ahead: boolean;
  #arena = new ArrayBuffer(firstCapacity * pageBytes);
  #bytes = Buffer.from(this.#arena);
  #words = new Uint32Array(this.#arena);
  #halves = new Uint16Array(this.#arena);
  #slots = new Map<number, number>();
  /** Per slot: the page it holds, and the sweep in which it was last looked at. */
  #pageOf = new Float64Array(firstCapacity);
  #usedIn = new Uint32Array(firstCapacity);
  #nextSlot = 1;
  #runs: Run[] = [];
  /** One past the slots of the runs; from there on lie pages that were read one by one. */
  #runsEnd = 1;
  /** How many pages the runs were made for, gaps left out. */
  #runsFor = 0;
  #hasUnreadable = false;
  #sweep = 1;
  #lastPage = noPage;
  #lastSlot = zeroSlot;
  #faults = 0;
  #reads = 0;
  #looks = 0;
  #readLimit = Number.MAX_SAFE_INTEGER;

  constructor(memory: GuestMemory, options: PageCacheOptions = {}) {
    this.memory = memory;
    this.#pagesMax = options.pagesMax ?? pagesMaxDefault;
    this.#ahead = options.readAhead ?? true;
  }

  /** How many times a page could not be read, or was beyond the limit, since `begin`. */
  get faults(): number {
    return this.#faults;
  }

  /** System calls since `begin`. */
  get reads(): number {
    return this.#reads;
  }

  /** Distinct pages fetched since `begin`, those read ahead included. */
  get pages(): number {
    return this.#looks;
  }

  /** True when the sweep asked for more reads than it was given. */
  get exhausted(): boolean {
    return this.#reads >= this.#readLimit;
  }

  /**
   * Forgets what was read and starts a sweep that may make at most `readLimit` reads. Pages that the last sweep
   * looked at are read at once in long stretches: the next sweep nearly always wants the same ones.
   */
  begin(readLimit: number): void {
    const keep = this.#runsServe();
    const wanted = keep || !this.#ahead ? new Float64Array() : this.#pagesUsed();
    this.#sweep += 1;
    this.#faults = 0;
    this.#reads = 0;
    this.#looks = 0;
    this.#readLimit = readLimit;
    if (keep) this.#readAgain();
    else {
      this.forget();
      this.#readAhead(wanted);
    }
  }

  /** Drops every page, so that what is looked at next is read anew; the limit goes on counting. */
  forget(): void {
    this.#slots.clear();
    this.#nextSlot = 1;
    this.#runs = [];
    this.#runsEnd = 1;
    this.#hasUnreadable = false;
    this.#lastPage = noPage;
  }

  /** Drops every page and gives their memory back, for whoever looks again only after a while. */
  release(): void {
    this.forget();
    if (this.#pageOf.length > restingCapacity) this.#resize(restingCapacity);
  }

  /** Makes the next look at the page of `address` see it as it is then. */
  refresh(address: PhysicalAddress): void {
    const page = Math.floor(address / pageBytes);
    const slot = this.#slots.get(page);
    if (slot === undefined) return;
    this.#reads += 1;
    if (slot !== zeroSlot && this.memory.read(page * pageBytes, this.#bytes, slot * pageBytes, pageBytes)) return;
    this.#slots.delete(page);
    this.#hasUnreadable = true;
    this.#lastPage = noPage;
  }

  u8(address: PhysicalAddress): number {
    const page = Math.floor(address / pageBytes);
    const slot = page === this.#lastPage ? this.#lastSlot : this.#slotOf(page);
    return this.#bytes[slot * pageBytes + (address - page * pageBytes)] ?? 0;
  }

  /** The aligned two bytes at or before `address`: a crooked address gives a wrong number, never a fault. */
  u16(address: PhysicalAddress): number {
    const page = Math.floor(address / pageBytes);
    const slot = page === this.#lastPage ? this.#lastSlot : this.#slotOf(page);
    return this.#halves[(slot * pageBytes + (address - page * pageBytes)) >>> 1] ?? 0;
  }

  /** The aligned four bytes at or before `address`. */
  u32(address: PhysicalAddress): number {
    const page = Math.floor(address / pageBytes);
    const slot = page === this.#lastPage ? this.#lastSlot : this.#slotOf(page);
    return this.#words[slot * wordsPerPage + ((address - page * pageBytes) >>> 2)] ?? 0;
  }

  /** Exact below 2^53; for counters and times, not for pointers. */
  u64(address: PhysicalAddress): number {
    return this.u32(address + 4) * 0x1_0000_0000 + this.u32(address);
  }

  /** A copy of `length` bytes; unreadable pages show zeros. */
  copy(address: PhysicalAddress, length: number): Buffer<ArrayBuffer> {
    const into = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const page = Math.floor((address + done) / pageBytes);
      const within = address + done - page * pageBytes;
      const take = Math.min(pageBytes - within, length - done);
      const from = this.#slotOf(page) * pageBytes + within;
      into.set(this.#bytes.subarray(from, from + take), done);
      done += take;
    }
    return into;
  }

  /** Text up to the first NUL, at most `most` bytes; what is not UTF-8 becomes U+FFFD. */
  text(address: PhysicalAddress, most: number): string {
    const page = Math.floor(address / pageBytes);
    const within = address - page * pageBytes;
    const from = this.#slotOf(page) * pageBytes + within;
    const here = Math.min(most, pageBytes - within);
    const stretch = this.#bytes.subarray(from, from + here);
    const nul = stretch.indexOf(0);
    if (nul >= 0 || here === most) return stretch.toString('utf8', 0, nul >= 0 ? nul : here);
    const whole = this.copy(address, most);
    const end = whole.indexOf(0);
    return whole.toString('utf8', 0, end >= 0 ? end : most);
  }

  #slotOf(page: number): number {
    let slot = this.#slots.get(page);
    if (slot === undefined) slot = this.#fetch(page);
    if (slot === zeroSlot) this.#faults += 1;
    else this.#usedIn[slot] = this.#sweep;
    this.#lastPage = slot === zeroSlot ? noPage : page;
    this.#lastSlot = slot;
    return slot;
  }

  #fetch(page: number): number {
    if (this.exhausted || !(page >= 0)) return zeroSlot;
    if (this.#nextSlot >= this.#pageOf.length && !this.#grow(this.#nextSlot + 1)) this.forget();
    const slot = this.#nextSlot;
    this.#reads += 1;
    if (!this.memory.read(page * pageBytes, this.#bytes, slot * pageBytes, pageBytes)) {
      this.#slots.set(page, zeroSlot);
      this.#hasUnreadable = true;
      return zeroSlot;
    }
    this.#nextSlot += 1;
    this.#place(page, slot);
    return slot;
  }

  #place(page: number, slot: number): void {
    this.#looks += 1;
    this.#slots.set(page, slot);
    this.#pageOf[slot] = page;
  }

  #pagesUsed(): Float64Array {
    const used: number[] = [];
    for (let slot = 1; slot < this.#nextSlot; slot += 1) {
      if (this.#usedIn[slot] === this.#sweep) used.push(this.#pageOf[slot] ?? 0);
    }
    return Float64Array.from(used).sort();
  }

  /** Most of what was read ahead was wanted, and little else: setting the runs up anew would cost more than it saves. */
  #runsServe(): boolean {
    if (this.#runsEnd === 1 || this.#hasUnreadable) return false;
    const strays = this.#nextSlot - this.#runsEnd;
    if (strays > 16 + this.#runsFor / 16) return false;
    let used = 0;
    for (let slot = 1; slot < this.#runsEnd; slot += 1) if (this.#usedIn[slot] === this.#sweep) used += 1;
    return used >= this.#runsFor * 0.75;
  }

  #readAgain(): void {
    for (let slot = this.#runsEnd; slot < this.#nextSlot; slot += 1) this.#slots.delete(this.#pageOf[slot] ?? 0);
    this.#nextSlot = this.#runsEnd;
    this.#lastPage = noPage;
    for (const { page, count, slot } of this.#runs) {
      this.#reads += 1;
      this.#looks += count;
      if (this.memory.read(page * pageBytes, this.#bytes, slot * pageBytes, count * pageBytes)) continue;
      this.forget();
      return;
    }
  }

  #readAhead(wanted: Float64Array): void {
    this.#runsFor = wanted.length;
    let from = 0;
    while (from < wanted.length) {
      const first = wanted[from] ?? 0;
      let to = from + 1;
      while (to < wanted.length) {
        const next = wanted[to] ?? 0;
        if (next - (wanted[to - 1] ?? 0) > gapPages + 1 || next - first >= runPages) break;
        to += 1;
      }
      const count = (wanted[to - 1] ?? 0) - first + 1;
      if (!this.#readRun(first, count)) break;
      from = to;
    }
    this.#runsEnd = this.#nextSlot;
  }

  /** False when there is no room for more. A stretch that fails is left to be read page by page when asked for. */
  #readRun(first: number, count: number): boolean {
    if (this.exhausted) return false;
    if (this.#nextSlot + count > this.#pageOf.length && !this.#grow(this.#nextSlot + count)) return false;
    this.#reads += 1;
    const slot = this.#nextSlot;
    if (!this.memory.read(first * pageBytes, this.#bytes, slot * pageBytes, count * pageBytes)) return true;
    for (let index = 0; index < count; index += 1) this.#place(first + index, slot + index);
    this.#runs.push({ page: first, count, slot });
    this.#nextSlot += count;
    return true;
  }

  #grow(slots: number): boolean {
    if (slots > this.#pagesMax) return false;
    this.#resize(Math.min(this.#pagesMax, Math.max(slots, this.#pageOf.length * 2)));
    return true;
  }

  #resize(capacity: number): void {
    const kept = Math.min(capacity, this.#pageOf.length);
    const pageOf = new Float64Array(capacity);
    pageOf.set(this.#pageOf.subarray(0, kept));
    const usedIn = new Uint32Array(capacity);
    usedIn.set(this.#usedIn.subarray(0, kept));
    // Moves the bytes and gives the old memory back at once, without waiting for the garbage collector.
    this.#arena = this.#arena.transfer(capacity * pageBytes);
    this.#bytes = Buffer.from(this.#arena);
    this.#words = new Uint32Array(this.#arena);
    this.#halves = new Uint16Array(this.#arena);
    this.#pageOf = pageOf;
    this.#usedIn = usedIn;
  }
}
