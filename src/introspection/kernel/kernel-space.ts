// Reads the running kernel's data. An object is named by its *physical* address: nearly everything a kernel points to lies in
// memory that is mapped linearly, so a pointer becomes a plain exact Number the moment it is read, two addresses of one object
// compare equal, and no 64-bit arithmetic is left to get wrong (see `PhysicalAddress`).
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import type { PageCache } from '../memory/page-cache.ts';
import type { KernelImage } from './find-kernel.ts';
import type { FunctionName, KernelProfile, OptionalSymbolName, SymbolName } from './kernel-profile.ts';
import { translate } from './page-table.ts';
import type { PageTableRoot } from './page-table.ts';

/** A pointer that is NULL, or that leads to no possible object. No kernel object lies at physical address 0. */
export const nowhere = 0;

export class KernelSpace {
  readonly pages: PageCache;
  readonly profile: KernelProfile;
  readonly image: KernelImage;
  /** The kernel's own page tables: valid whichever process runs. */
  readonly root: PageTableRoot;
  readonly #directMapHigh: number;
  readonly #directMapLow: number;
  #strays = 0;

  constructor(pages: PageCache, image: KernelImage, profile: KernelProfile) {
    this.pages = pages;
    this.profile = profile;
    this.image = image;
    const base = image.textPhysical + profile.symbols.page_offset_base;
    this.#directMapLow = pages.u32(base);
    this.#directMapHigh = pages.u32(base + 4);
    this.root = { address: image.textPhysical + profile.symbols.init_top_pgt, la57: image.root.la57 };
  }

  symbol(name: SymbolName): PhysicalAddress {
    return this.image.textPhysical + this.profile.symbols[name];
  }

  optionalSymbol(name: OptionalSymbolName): PhysicalAddress | null {
    const offset = this.profile.symbols[name];
    return offset === undefined ? null : this.image.textPhysical + offset;
  }

  /** The code of a function, as offsets from `_text`; null when this kernel has no such function. */
  codeOf(name: FunctionName): { readonly start: number; readonly end: number } | null {
    const start = this.profile.symbols[name];
    const end = this.profile.functionEnds[name];
    return start === undefined || end === undefined || end <= start ? null : { start, end };
  }

  /** A symbol in the data of the CPU whose base (`gs_base` in kernel mode) is `high`:`low`; `nowhere` when it cannot be found. */
  perCpu(name: OptionalSymbolName, high: number, low: number): PhysicalAddress {
    const own = this.profile.perCpu[name];
    const linked = this.profile.symbols[name];
    if (own === undefined && linked === undefined) return nowhere;
    // Linked into the image, a base is the distance from there: the sum wraps around.
    const sum = low + (own ?? this.image.textLow + (linked ?? 0));
    const carry = Math.floor(sum / 0x1_0000_0000);
    const above = own === undefined ? 0xffff_ffff : 0;
    return this.anywhere((high + above + carry) % 0x1_0000_0000, sum % 0x1_0000_0000);
  }

  /** How many pointers led nowhere though they were not NULL, ever: whatever hangs from them was not seen. */
  get strays(): number {
    return this.#strays;
  }

  /** Takes the count back to what it was before an object was read that turned out to be gone: nothing was lost by it. */
  forgiveStrays(count: number): void {
    this.#strays = count;
  }

  /** The object that the pointer at `at` leads to; `nowhere` for NULL, for user addresses and for garbage, which is counted. */
  pointer(at: PhysicalAddress): PhysicalAddress {
    return this.object(this.pages.u32(at + 4), this.pages.u32(at));
  }

  /** The same where a pointer may well lead elsewhere: into a module, or to the poison of an entry just taken off its list. */
  maybePointer(at: PhysicalAddress): PhysicalAddress {
    return this.linear(this.pages.u32(at + 4), this.pages.u32(at));
  }

  /** Where the kernel address `high`:`low` lies when it is in the direct map or in the image, the two linear mappings. */
  linear(high: number, low: number): PhysicalAddress {
    const direct = (high - this.#directMapHigh) * 0x1_0000_0000 + (low - this.#directMapLow);
    if (direct > 0 && direct < this.pages.memory.end) return direct;
    if (high !== 0xffff_ffff) return nowhere;
    const offset = low - this.image.textLow;
    return offset >= 0 && offset < this.image.sizeBytes ? this.image.textPhysical + offset : nowhere;
  }

  /** The same for the value of a pointer: when it is not NULL and leads nowhere, that is counted. */
  object(high: number, low: number): PhysicalAddress {
    const object = this.linear(high, low);
    if (object === nowhere && (high !== 0 || low !== 0)) this.#strays += 1;
    return object;
  }

  /**
   * Where any kernel address lies: large tables and modules are mapped page by page, so this holds up to the end of
   * its page only.
   */
  anywhere(high: number, low: number): PhysicalAddress {
    const linear = this.linear(high, low);
    if (linear !== nowhere || high < 0xff00_0000) return linear;
    return translate(this.pages, this.root, high, low);
  }

  /** Where element `index` of an array lies, which may be mapped page by page; `nowhere`, and counted, when it is not mapped. */
  element(array: KernelArray, index: number, sizeBytes: number): PhysicalAddress {
    if (array.linear !== nowhere) return array.linear + index * sizeBytes;
    const low = array.low + index * sizeBytes;
    const carry = Math.floor(low / 0x1_0000_0000);
    const at = this.anywhere(array.high + carry, low % 0x1_0000_0000);
    if (at === nowhere) this.#strays += 1;
    return at;
  }

  /** The array that the pointer at `at` leads to; null for NULL, and for what can be no array, which is counted. */
  array(at: PhysicalAddress): KernelArray | null {
    const low = this.pages.u32(at);
    const high = this.pages.u32(at + 4);
    if (high >= 0xff00_0000) return { high, low, linear: this.linear(high, low) };
    if (high !== 0 || low !== 0) this.#strays += 1;
    return null;
  }
}

/** A kernel array: at once linear, or somewhere that takes a page walk for each page. */
export interface KernelArray {
  readonly high: number;
  readonly low: number;
  readonly linear: PhysicalAddress;
}
