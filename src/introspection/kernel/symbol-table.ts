// Every symbol of a kernel, for questions a profile does not answer: which tables of function pointers there are, and what lies at
// an address. Some megabytes, made when asked for and to be let go afterwards. The bytes are the guest's, or a kernel file's.
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import type { KernelImage } from './find-kernel.ts';
import { findAddresses, findTables, tokenTexts } from './kallsyms.ts';
import type { ImageBytes } from './kallsyms.ts';

const constantsBytesMax = 128 * 1024 * 1024;
const nameCharactersMax = 512;

export interface KernelSymbol {
  readonly name: string;
  /** The letter `nm` would print: `t` code, `d` data, `r` constants, `b` zeroed data; capital = global. */
  readonly kind: string;
  /** Bytes from `_text`. */
  readonly offset: number;
}

export class SymbolTable {
  /** Ascending; symbols of one address keep the kernel's order. */
  readonly #offsets: Uint32Array;
  /** Where the name of each lies in `#names`. */
  readonly #nameAt: Uint32Array;
  readonly #names: Buffer;
  readonly #tokens: readonly string[];

  constructor(offsets: Uint32Array, nameAt: Uint32Array, names: Buffer, tokens: readonly string[]) {
    this.#offsets = offsets;
    this.#nameAt = nameAt;
    this.#names = names;
    this.#tokens = tokens;
  }

  get count(): number {
    return this.#offsets.length;
  }

  /** In ascending order of address. Names are spelled out one by one: some hundred milliseconds for all. */
  *symbols(): Generator<KernelSymbol> {
    for (let index = 0; index < this.#offsets.length; index += 1) yield this.#symbol(index);
  }

  /** The symbol that holds `offset`: the last one at or before it; null when it lies before all. */
  holding(offset: number): KernelSymbol | null {
    const index = this.#firstAfter(offset) - 1;
    if (index < 0) return null;
    let first = index;
    while (first > 0 && this.#offsets[first - 1] === this.#offsets[index]) first -= 1;
    return this.#symbol(first);
  }

  /** Where the next symbol after `offset` starts; null when none does. */
  nextAfter(offset: number): number | null {
    return this.#offsets[this.#firstAfter(offset)] ?? null;
  }

  /** `name+0x1f` as a reader knows it; an address before all symbols is told as an offset from `_text`. */
  say(offset: number): string {
    const symbol = this.holding(offset);
    if (symbol === null) return `_text+0x${offset.toString(16)}`;
    return offset === symbol.offset ? symbol.name : `${symbol.name}+0x${(offset - symbol.offset).toString(16)}`;
  }

  #firstAfter(offset: number): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle] ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #symbol(index: number): KernelSymbol {
    let at = this.#nameAt[index] ?? 0;
    let length = this.#names[at] ?? 0;
    at += 1;
    if (length >= 0x80) {
      length = (length & 0x7f) | ((this.#names[at] ?? 0) << 7);
      at += 1;
    }
    const end = Math.min(at + length, this.#names.length);
    let text = '';
    for (; at < end && text.length < nameCharactersMax; at += 1) text += this.#tokens[this.#names[at] ?? 0] ?? '';
    return { name: text.slice(1), kind: text.slice(0, 1), offset: this.#offsets[index] ?? 0 };
  }
}

/** The symbols that lie compressed in `image`; it may be let go afterwards. */
export function openSymbolTable(image: ImageBytes): Result<SymbolTable> {
  const tables = findTables(image.bytes);
  const addresses = tables === null ? null : findAddresses(image, tables);
  if (tables === null || addresses === null) {
    return fail(problem('unreadable', 'The kernel holds no symbol table (kallsyms) that could be understood.'));
  }
  const offsets = new Uint32Array(tables.count);
  const nameAt = new Uint32Array(tables.count);
  let kept = 0;
  let ascending = true;
  let at = tables.names;
  for (let index = 0; index < tables.count && at < image.bytes.length; index += 1) {
    const start = at;
    const length = image.bytes[at] ?? 0;
    at += length < 0x80 ? 1 + length : 2 + ((length & 0x7f) | ((image.bytes[at + 1] ?? 0) << 7));
    const offset = addresses.at(index);
    if (offset === null) continue;
    offsets[kept] = offset;
    nameAt[kept] = start - tables.names;
    if (kept > 0 && offset < (offsets[kept - 1] ?? 0)) ascending = false;
    kept += 1;
  }
  const names = Buffer.from(image.bytes.subarray(tables.names, at));
  const sorted = ascending ? null : ordered(offsets.subarray(0, kept), nameAt);
  return ok(
    new SymbolTable(
      sorted?.offsets ?? offsets.slice(0, kept),
      sorted?.nameAt ?? nameAt.slice(0, kept),
      names,
      tokenTexts(image.bytes, tables),
    ),
  );
}

/** The symbols of the kernel that runs: read anew, some ten megabytes, given back before this returns. */
export function readSymbolTable(memory: GuestMemory, image: KernelImage): Result<SymbolTable> {
  const constants = image.runs
    .filter((run) => !run.writable && !run.executable)
    .reduce((largest, run) => (run.sizeBytes > largest.sizeBytes ? run : largest), {
      offset: 0,
      sizeBytes: 0,
      physical: 0,
    });
  if (constants.sizeBytes === 0 || constants.sizeBytes > constantsBytesMax) {
    return fail(
      problem('unreadable', 'The guest maps its kernel without constants of their own, as no usual kernel does.'),
    );
  }
  const bytes = Buffer.from(new ArrayBuffer(constants.sizeBytes));
  memory.read(constants.physical, bytes, 0, constants.sizeBytes);
  const { textLow, sizeBytes } = image;
  const table = openSymbolTable({ bytes, offset: constants.offset, textLow, sizeBytes });
  bytes.buffer.transfer(0);
  return table;
}

function ordered(offsets: Uint32Array, nameAt: Uint32Array) {
  const order = Uint32Array.from(offsets.keys()).sort((a, b) => (offsets[a] ?? 0) - (offsets[b] ?? 0) || a - b);
  return { offsets: order.map((index) => offsets[index] ?? 0), nameAt: order.map((index) => nameAt[index] ?? 0) };
}
