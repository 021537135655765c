// The kernel's own symbol table, as it lies compressed in every kernel's memory. Three layouts exist; which one it is gets decided by
// content, never by version, because distributions backport. The bytes come from the guest: every loop is bounded.
// Source: scripts/kallsyms.c and kernel/kallsyms_internal.h in Linux, 4.6 to 7.x.
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';

/** A stretch of the kernel image. `bytes` must start on a multiple of 8, in memory as in the image. */
export interface ImageBytes {
  readonly bytes: Buffer<ArrayBuffer>;
  /** Where `bytes` starts, from `_text`. */
  readonly offset: number;
  /** Low half of the virtual address of `_text`. */
  readonly textLow: number;
  /** Of the whole image. */
  readonly sizeBytes: number;
}

/** A: offsets and base before the names; B: after the token index; C: relative to their own place, no base. */
export type KallsymsLayout = 'A' | 'B' | 'C';

export interface KernelSymbols {
  readonly layout: KallsymsLayout;
  readonly count: number;
  /** Offset from `_text` of each wanted symbol that exists; of several with one name, the lowest. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Offset from `_text` of the next symbol after each of those: where a function ends. */
  readonly ends: ReadonlyMap<string, number>;
  /** Wanted symbols outside the image that are kept as plain numbers: bytes from the start of each CPU's own data (to 6.14). */
  readonly perCpu: ReadonlyMap<string, number>;
}

const tokens = 256;
const namesPerMarker = 256;
/** The tokens for the ten digits stand for themselves and are the table's most telling stretch. */
const digits = Buffer.from(`${'0123456789'.split('').join('\x00')}\x00`, 'latin1');
const digitsTried = 4096;
const tokenBytesMax = 64;
const markersBackBytes = 16 * 1024 * 1024;
const markersToBelieve = 40;
const nameBytesMax = 140;
const symbolsMax = 2_000_000;
const aliasesMax = 256;

export interface Tables {
  readonly tokenTable: number;
  readonly tokenIndex: number;
  readonly names: number;
  readonly countAt: number;
  readonly count: number;
}

export interface Addresses {
  readonly layout: KallsymsLayout;
  /** Offset from `_text` of symbol `index`, or null when it is not an address inside the image. */
  at(index: number): number | null;
  /** The number itself of a symbol that is no address, or null. */
  plain(index: number): number | null;
}

/** Looks up `wanted`; a problem when the table cannot be found. */
export function findSymbols(image: ImageBytes, wanted: readonly string[]): Result<KernelSymbols> {
  const tables = findTables(image.bytes);
  const addresses = tables === null ? null : findAddresses(image, tables);
  if (tables === null || addresses === null) {
    return fail(
      problem(
        'unreadable',
        'The guest kernel holds no symbol table (kallsyms) that could be understood.',
        'The kernel must be built with CONFIG_KALLSYMS, as distributions do.',
      ),
    );
  }
  return ok({ layout: addresses.layout, count: tables.count, ...lookUp(image.bytes, tables, addresses, wanted) });
}

export function findTables(bytes: Buffer): Tables | null {
  let tried = 0;
  for (let at = bytes.indexOf(digits); at >= 0 && tried < digitsTried; at = bytes.indexOf(digits, at + 1)) {
    tried += 1;
    const tokenTable = tableStart(bytes, at);
    const tokenIndex = tokenTable === null ? null : findTokenIndex(bytes, tokenTable);
    if (tokenTable === null || tokenIndex === null) continue;
    const markers = findMarkers(bytes, tokenTable);
    const names = markers === null ? null : findNames(bytes, markers);
    if (names !== null) return { tokenTable, tokenIndex, ...names };
  }
  return null;
}

/** From the token of the digit 0 back over the 48 tokens before it. */
function tableStart(bytes: Buffer, zero: number): number | null {
  let at = zero;
  for (let token = 0; token < 0x30; token += 1) {
    let before = at - 2;
    while (before >= 0 && bytes[before] !== 0) before -= 1;
    if (before < 0 || at - before > tokenBytesMax) return null;
    at = before + 1;
  }
  return at;
}

/** The index repeats where each token starts: all 256 must agree, which no accident does. */
function findTokenIndex(bytes: Buffer, tokenTable: number): number | null {
  const starts: number[] = [];
  let at = tokenTable;
  for (let token = 0; token < tokens; token += 1) {
    starts.push(at - tokenTable);
    const end = bytes.indexOf(0, at);
    if (end < 0 || end - at > tokenBytesMax) return null;
    at = end + 1;
  }
  for (let index = (at + 3) & ~3; index <= at + 16 && index + 2 * tokens <= bytes.length; index += 4) {
    if (starts.every((start, token) => bytes.readUInt16LE(index + 2 * token) === start)) return index;
  }
  return null;
}

interface Markers {
  readonly at: number;
  readonly values: readonly number[];
}

/** Every 256th name's position. Searched backwards, which skips any table between it and the tokens. */
function findMarkers(bytes: Buffer, tokenTable: number): Markers | null {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  const lowest = Math.max(0, tokenTable - markersBackBytes) >>> 2;
  for (let start = (tokenTable >>> 2) - 2; start > lowest; start -= 1) {
    if (words[start] !== 0 || !isMarkerStep(0, words[start + 1])) continue;
    const values = [0];
    for (let index = start + 1; index < words.length; index += 1) {
      const value = words[index];
      if (!isMarkerStep(values.at(-1) ?? 0, value)) break;
      values.push(value ?? 0);
    }
    if (values.length >= markersToBelieve) return { at: start * 4, values };
  }
  return null;
}

function isMarkerStep(before: number, value: number | undefined): boolean {
  const step = (value ?? 0) - before;
  return step >= 2 * namesPerMarker && step <= nameBytesMax * namesPerMarker;
}

function findNames(bytes: Buffer, markers: Markers): Pick<Tables, 'names' | 'countAt' | 'count'> | null {
  const latest = markers.at - (markers.values.at(-1) ?? 0);
  const earliest = Math.max(8, latest - nameBytesMax * namesPerMarker);
  for (let names = latest & ~3; names >= earliest; names -= 4) {
    if (!namesAgree(bytes, names, markers.values)) continue;
    for (const countAt of [names - 8, names - 4]) {
      const count = bytes.readUInt32LE(countAt);
      if (count <= symbolsMax && Math.ceil(count / namesPerMarker) === markers.values.length)
        return { names, countAt, count };
    }
  }
  return null;
}

function namesAgree(bytes: Buffer, names: number, markers: readonly number[]): boolean {
  let at = names;
  for (const marker of markers.slice(1, 5)) {
    for (let name = 0; name < namesPerMarker && at < bytes.length; name += 1) {
      const length = bytes[at] ?? 0;
      at += length < 0x80 ? 1 + length : 2 + (length & 0x7f) + ((bytes[at + 1] ?? 0) << 7);
    }
    if (at - names !== marker) return false;
  }
  return true;
}

export function findAddresses(image: ImageBytes, tables: Tables): Addresses | null {
  const { bytes } = image;
  const { count } = tables;
  const offsetBytes = align8(4 * count);

  const before = tables.countAt - 8;
  const beforeBase = imageOffset(image, before);
  if (beforeBase !== null && before - offsetBytes >= 0) {
    return basedAddresses(image, 'A', before - offsetBytes, count, beforeBase);
  }

  const after = align8(tables.tokenIndex + 2 * tokens);
  if (after + offsetBytes + 8 > bytes.length) return null;
  const afterBase = imageOffset(image, after + offsetBytes);
  if (afterBase !== null) return basedAddresses(image, 'B', after, count, afterBase);

  const own: Addresses = {
    layout: 'C',
    at(index) {
      const at = after + 4 * index;
      return inImage(image, image.offset + at + bytes.readInt32LE(at));
    },
    plain: () => null,
  };
  return mostlyAscending(own, count) ? own : null;
}

/** Symbols are sorted by address; a table read at the wrong place is not. */
function mostlyAscending(addresses: Addresses, count: number): boolean {
  let wrong = 0;
  let before = -1;
  for (let index = 0; index < count; index += 1) {
    const offset = addresses.at(index);
    if (offset === null || offset < before) wrong += 1;
    before = offset ?? before;
  }
  return wrong <= count / 100;
}

/**
 * Offsets from a base. Kernels that keep per-CPU symbols absolute (to 6.14) write image symbols as negative numbers;
 * later ones count upwards from the base.
 */
function basedAddresses(
  image: ImageBytes,
  layout: 'A' | 'B',
  offsetsAt: number,
  count: number,
  base: number,
): Addresses {
  const { bytes } = image;
  let negative = 0;
  for (let index = 0; index < count; index += 1) if (bytes.readInt32LE(offsetsAt + 4 * index) < 0) negative += 1;
  const absolutePerCpu = negative > count / 2;
  return {
    layout,
    at(index) {
      const raw = bytes.readInt32LE(offsetsAt + 4 * index);
      if (!absolutePerCpu) return inImage(image, base + (raw >>> 0));
      return raw < 0 ? inImage(image, base - 1 - raw) : null;
    },
    plain(index) {
      const raw = bytes.readInt32LE(offsetsAt + 4 * index);
      return absolutePerCpu && raw >= 0 ? raw : null;
    },
  };
}

function lookUp(
  bytes: Buffer,
  tables: Tables,
  addresses: Addresses,
  wanted: readonly string[],
): Pick<KernelSymbols, 'offsets' | 'ends' | 'perCpu'> {
  const table = tokenTexts(bytes, tables);
  const hashes = table.map((text) => hashOf(text));
  const powers = table.map((text) => powerOf(text.length));
  // The first character of a name is its kind; a name is hashed with it left out, so every kind matches.
  const tails = table.map((text) => hashOf(text.slice(1)));
  const byHash = new Map(wanted.map((name) => [hashOf(name), name]));
  const offsets = new Map<string, number>();
  const ends = new Map<string, number>();
  const perCpu = new Map<string, number>();
  let at = tables.names;
  for (let index = 0; index < tables.count && at < bytes.length; index += 1) {
    let length = bytes[at] ?? 0;
    at += 1;
    if (length >= 0x80) {
      length = (length & 0x7f) | ((bytes[at] ?? 0) << 7);
      at += 1;
    }
    const end = Math.min(at + length, bytes.length);
    let hash = tails[bytes[at] ?? 0] ?? 0;
    for (let token = at + 1; token < end; token += 1) {
      const code = bytes[token] ?? 0;
      hash = (Math.imul(hash, powers[code] ?? 0) + (hashes[code] ?? 0)) | 0;
    }
    const name = byHash.get(hash);
    if (name !== undefined && !offsets.has(name) && textOf(bytes, at, end, table) === name) {
      const offset = addresses.at(index);
      const plain = addresses.plain(index);
      if (offset !== null) {
        offsets.set(name, offset);
        ends.set(name, nextOffset(addresses, index, tables.count, offset));
      } else if (plain !== null) perCpu.set(name, plain);
    }
    at = end;
  }
  return { offsets, ends, perCpu };
}

/** Several names may share one address; a symbol without a later one ends where it starts. */
function nextOffset(addresses: Addresses, index: number, count: number, offset: number): number {
  const last = Math.min(count, index + aliasesMax);
  for (let next = index + 1; next < last; next += 1) {
    const after = addresses.at(next);
    if (after !== null && after > offset) return after;
  }
  return offset;
}

export function tokenTexts(bytes: Buffer, tables: Tables): readonly string[] {
  return Array.from({ length: tokens }, (_, token) => {
    const at = tables.tokenTable + bytes.readUInt16LE(tables.tokenIndex + 2 * token);
    return bytes.toString('latin1', at, Math.max(at, bytes.indexOf(0, at)));
  });
}

function textOf(bytes: Buffer, from: number, end: number, table: readonly string[]): string {
  let text = '';
  for (let at = from; at < end && text.length < 512; at += 1) text += table[bytes[at] ?? 0] ?? '';
  return text.slice(1);
}

/**
 * A polynomial hash: that of `a + b` follows from those of `a` and `b`, so a name is hashed token by token without
 * being spelled out. Looking up among 200 000 names then takes milliseconds.
 */
function hashOf(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index += 1) hash = (Math.imul(hash, hashBase) + text.charCodeAt(index)) | 0;
  return hash;
}

const hashBase = 0x01000193;

function powerOf(length: number): number {
  let power = 1;
  for (let index = 0; index < length; index += 1) power = Math.imul(power, hashBase);
  return power;
}

/** The kernel pointer at `at` as an offset from `_text`; null when it does not point into the image. */
function imageOffset(image: ImageBytes, at: number): number | null {
  if (at < 0 || at + 8 > image.bytes.length || image.bytes.readUInt32LE(at + 4) !== 0xffff_ffff) return null;
  return inImage(image, image.bytes.readUInt32LE(at) - image.textLow);
}

function inImage(image: ImageBytes, offset: number): number | null {
  return offset >= 0 && offset < image.sizeBytes ? offset : null;
}

function align8(position: number): number {
  return (position + 7) & ~7;
}
