// Holds the pages of mapped code against the file's own pages in the guest's memory. Both are the same page of memory until somebody
// writes: a debugger, a probe, an intruder. Only where they are not the same are contents compared.
import { pageBytes } from '../../memory/guest-memory.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { translate, unmapped } from '../../kernel/page-table.ts';
import type { MemoryArea } from '../../guest/memory-areas.ts';
import { findCachedPages } from '../../identity/cached-pages.ts';
import { readFileFacts } from '../../identity/file-facts.ts';

export interface ChangedPage {
  /** In the process's memory. */
  readonly address: number;
  /** Of the first byte that differs, in the file. */
  readonly fileOffset: number;
  /** How many bytes differ. */
  readonly bytes: number;
}

export interface Comparison {
  readonly path: string;
  /** At most 64. */
  readonly changed: readonly ChangedPage[];
  /** Pages of the process's own whose original is not in memory. */
  readonly unknown: number;
}

const changedMax = 64;
/** Of one look: 800 MiB of code. */
const pagesPerLookMax = 200_000;
const filePagesMax = 65_536;

interface FilePages {
  readonly path: string;
  readonly frames: Float64Array;
}

export class CodePages {
  readonly #space: KernelSpace;
  readonly #files = new Map<PhysicalAddress, FilePages | null>();
  #left = pagesPerLookMax;

  constructor(space: KernelSpace) {
    this.#space = space;
  }

  get exhausted(): boolean {
    return this.#left <= 0 || this.#space.pages.exhausted;
  }

  /** Null when the file's pages cannot be looked up. */
  compare(mm: PhysicalAddress, area: MemoryArea): Comparison | null {
    const file = this.#filePages(area.file);
    if (file === null) return null;
    const tables = this.#space.pointer(mm + this.#space.profile.fields['mm_struct.pgd']);
    if (tables === nowhere) return null;
    const root = { address: tables, la57: this.#space.root.la57 };
    const changed: ChangedPage[] = [];
    let unknown = 0;
    const count = Math.min((area.end - area.start) / pageBytes, file.frames.length - area.firstPage);
    for (let page = 0; page < count && changed.length < changedMax && this.#left > 0; page += 1) {
      this.#left -= 1;
      const address = area.start + page * pageBytes;
      const own = translate(this.#space.pages, root, Math.floor(address / 0x1_0000_0000), address >>> 0);
      const original = file.frames[area.firstPage + page] ?? 0;
      if (own === unmapped || own === original) continue;
      if (original <= 0) unknown += 1;
      else {
        const difference = this.#difference(own, original);
        if (difference === null) continue;
        const fileOffset = (area.firstPage + page) * pageBytes + difference.at;
        changed.push({ address: address + difference.at, fileOffset, bytes: difference.bytes });
      }
    }
    return { path: file.path, changed, unknown };
  }

  #difference(own: PhysicalAddress, original: PhysicalAddress): { readonly at: number; readonly bytes: number } | null {
    const { memory } = this.#space.pages;
    const mine = Buffer.alloc(pageBytes);
    const theirs = Buffer.alloc(pageBytes);
    if (!memory.read(own, mine, 0, pageBytes) || !memory.read(original, theirs, 0, pageBytes)) return null;
    if (mine.equals(theirs)) return null;
    let at = -1;
    let bytes = 0;
    for (let index = 0; index < pageBytes; index += 1) {
      if (mine[index] === theirs[index]) continue;
      if (at < 0) at = index;
      bytes += 1;
    }
    return { at, bytes };
  }

  /** Many processes map the same library: its pages are looked up once a look. */
  #filePages(file: PhysicalAddress): FilePages | null {
    const facts = readFileFacts(this.#space, file);
    if (facts === null || !facts.regular) return null;
    const known = this.#files.get(facts.inode);
    if (known !== undefined) return known;
    const count = Math.min(filePagesMax, Math.ceil(facts.sizeBytes / pageBytes));
    const cached = findCachedPages(this.#space, facts.mapping, count);
    const found = cached === null ? null : { path: facts.path, frames: cached.frames };
    this.#files.set(facts.inode, found);
    return found;
  }
}
