// Breaks recorded guest memory in the ways a failing or a hostile guest might: seeded, so that every break can be had again.
// Knows pages and pointers, nothing of what they mean.
import { pageBytes } from '../introspection/memory/guest-memory.ts';
import type { PhysicalAddress } from '../introspection/memory/guest-memory.ts';
import type { PageSet } from './page-set.ts';
import type { Random } from './random.ts';

/** Pages to break, and where breaking them is worth while. */
export interface Breakable {
  readonly pages: PageSet;
  /** Addresses of aligned 8-byte words that introspection looks at, within the pages. */
  readonly lookedAt: readonly PhysicalAddress[];
  /** Those of them that hold a kernel pointer. */
  readonly pointers: readonly PhysicalAddress[];
  /** Kernel address of physical address 0. */
  readonly directMap: bigint;
}

export interface Mutation {
  readonly kind: MutationKind;
  /** For a person who replays it. */
  readonly detail: string;
}

/** The memory no longer says what it said, but nothing in it contradicts the rest: a lie that may go unseen. */
const lies = ['flip-bits', 'zero-bytes', 'zero-page', 'splice', 'other', 'self', 'cycle', 'crooked', 'count'] as const;
/** A pointer or page leads nowhere: whatever is lost by it must be owned up to. */
const dead = ['non-canonical', 'beyond-ram', 'drop-pages'] as const;

export type MutationKind = (typeof lies)[number] | (typeof dead)[number];

export function isDeadEnd(kind: MutationKind): boolean {
  return (dead as readonly MutationKind[]).includes(kind);
}

/** A copy that may be broken without harm to the original. */
export function breakableCopy(original: Breakable): Breakable {
  return { ...original, pages: { ...original.pages, bytes: Uint8Array.from(original.pages.bytes) } };
}

/** Breaks `target.pages.bytes` in place; dropping pages gives another page set, hence the answer. */
export function mutate(target: Breakable, random: Random): { readonly target: Breakable; readonly mutation: Mutation } {
  const kind = random.pick([...lies, ...dead]);
  if (kind === 'drop-pages') return dropPages(target, random);
  const memory = new Words(target);
  const said = (detail: string) => ({ target, mutation: { kind, detail } });
  switch (kind) {
    case 'flip-bits':
      return said(flipBits(target, memory, random));
    case 'zero-bytes': {
      const at = anywhere(target, random) + random.integer(0, 7);
      const length = memory.fill(at, random.integer(1, 64));
      return said(`${length} bytes at ${hex(at)}`);
    }
    case 'zero-page': {
      const at = anywhere(target, random);
      memory.fill(at - (at % pageBytes), pageBytes);
      return said(`page of ${hex(at)}`);
    }
    case 'splice':
      return said(splice(target, memory, random));
    case 'cycle':
      return said(cycle(target, memory, random));
    case 'other':
    case 'self':
    case 'crooked':
    case 'count':
    case 'non-canonical':
    case 'beyond-ram':
      return said(repoint(kind, target, memory, random));
  }
}

function flipBits(target: Breakable, memory: Words, random: Random): string {
  const at = anywhere(target, random);
  const bits = Array.from({ length: random.integer(1, 4) }, () => BigInt(random.integer(0, 63)));
  memory.set(
    at,
    bits.reduce((word, bit) => word ^ (1n << bit), memory.get(at)),
  );
  return `bits ${bits.join(' ')} at ${hex(at)}`;
}

/** One object's bytes in the place of another's. */
function splice(target: Breakable, memory: Words, random: Random): string {
  const from = anywhere(target, random);
  const to = anywhere(target, random);
  const length = random.pick([8, 16, 64, 256, 1024, pageBytes]);
  const whole = length === pageBytes;
  const source = whole ? from - (from % pageBytes) : from;
  const sink = whole ? to - (to % pageBytes) : to;
  memory.copy(source, sink, length);
  return `${length} bytes from ${hex(source)} to ${hex(sink)}`;
}

/** Pointers that lead to one another for ever. */
function cycle(target: Breakable, memory: Words, random: Random): string {
  const stops = Array.from({ length: random.integer(2, 5) }, () => one(target.pointers, random));
  stops.forEach((at, index) => memory.set(at, target.directMap + BigInt(stops[(index + 1) % stops.length] ?? at)));
  return stops.map(hex).join(' -> ');
}

type Repointing = Exclude<MutationKind, 'drop-pages' | 'flip-bits' | 'zero-bytes' | 'zero-page' | 'splice' | 'cycle'>;

function repoint(kind: Repointing, target: Breakable, memory: Words, random: Random): string {
  const at = one(kind === 'count' ? target.lookedAt : target.pointers, random);
  const value = newPointer(kind, at, target, memory, random);
  memory.set(at, value);
  return `${hex(at)} = 0x${value.toString(16)}`;
}

function newPointer(
  kind: Repointing,
  at: PhysicalAddress,
  { pages, pointers, directMap }: Breakable,
  memory: Words,
  random: Random,
): bigint {
  switch (kind) {
    case 'other':
      return memory.get(one(pointers, random));
    case 'self':
      return directMap + BigInt(at);
    case 'crooked':
      return memory.get(at) + BigInt(random.integer(1, 7));
    // Two 32-bit fields share a word: sizes, masks and lengths are among them.
    case 'count':
      return random.pick([0xffff_ffff_ffff_ffffn, 0x7fff_ffff_7fff_ffffn, 0x8000_0000_8000_0000n, 0xffff_0000_ffffn]);
    case 'non-canonical':
      return random.pick([0x8000_0000_0000n, 0x4141_4141_4141_4140n, 0xdead_0000_0000_0100n, 0x7fff_ffff_fff8n]);
    case 'beyond-ram':
      return directMap + BigInt(pages.end) + random.pick([0n, 8n, 0x1000n, 1n << 40n]);
  }
}

function dropPages(target: Breakable, random: Random): { readonly target: Breakable; readonly mutation: Mutation } {
  const { numbers, bytes } = target.pages;
  const gone = new Set<number>();
  if (random.chance(0.2)) {
    // As if the recording, or the machine's memory, ended here.
    const from = random.integer(0, numbers.length - 1);
    for (let slot = from; slot < numbers.length; slot += 1) gone.add(slot);
  } else {
    for (let count = random.integer(1, 8); count > 0; count -= 1) gone.add(random.integer(0, numbers.length - 1));
  }
  const kept = numbers.flatMap((_, slot) => (gone.has(slot) ? [] : [slot]));
  const left = Buffer.concat(kept.map((slot) => bytes.subarray(slot * pageBytes, (slot + 1) * pageBytes)));
  const pages: PageSet = { ...target.pages, numbers: kept.map((slot) => numbers[slot] ?? 0), bytes: left };
  const detail = [...gone].map((slot) => hex((numbers[slot] ?? 0) * pageBytes)).join(' ');
  return { target: { ...target, pages }, mutation: { kind: 'drop-pages', detail } };
}

/** Mostly where introspection looks (of which most is empty hash buckets), and sometimes where it may be led to. */
function anywhere({ pages, lookedAt, pointers }: Breakable, random: Random): PhysicalAddress {
  if (random.chance(0.8)) return one(random.chance(0.5) ? pointers : lookedAt, random);
  return one(pages.numbers, random) * pageBytes + random.integer(0, pageBytes / 8 - 1) * 8;
}

/** Words and stretches of a page set by physical address; nothing reaches over the end of a page, nothing fails. */
class Words {
  readonly #bytes: Buffer;
  readonly #slots: ReadonlyMap<number, number>;

  constructor({ pages: { bytes, numbers } }: Breakable) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#slots = new Map(numbers.map((number, slot) => [number, slot]));
  }

  get(at: PhysicalAddress): bigint {
    const offset = this.#offsetOf(at);
    return offset === null ? 0n : this.#bytes.readBigUInt64LE(offset);
  }

  set(at: PhysicalAddress, value: bigint): void {
    const offset = this.#offsetOf(at);
    if (offset !== null) this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), offset);
  }

  fill(at: PhysicalAddress, length: number): number {
    const offset = this.#offsetOf(at);
    const most = Math.min(length, pageBytes - (at % pageBytes));
    if (offset !== null) this.#bytes.fill(0, offset, offset + most);
    return most;
  }

  copy(from: PhysicalAddress, to: PhysicalAddress, length: number): void {
    const source = this.#offsetOf(from);
    const sink = this.#offsetOf(to);
    const most = Math.min(length, pageBytes - (from % pageBytes), pageBytes - (to % pageBytes));
    if (source !== null && sink !== null) this.#bytes.copyWithin(sink, source, source + most);
  }

  #offsetOf(at: PhysicalAddress): number | null {
    const slot = this.#slots.get(Math.floor(at / pageBytes));
    return slot === undefined ? null : slot * pageBytes + (at % pageBytes);
  }
}

function one(values: readonly number[], random: Random): number {
  return values[random.integer(0, values.length - 1)] ?? 0;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
