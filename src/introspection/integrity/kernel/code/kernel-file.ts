// A kernel as its file has it: what would lie in memory, had the loader moved it to where it runs and the kernel not yet patched
// itself. Offsets are from `_text`, as everywhere; the file is the reader's own, but nothing in it is followed unchecked.
import { createHash } from 'node:crypto';
import { problem } from '../../../../kit/problem.ts';
import { fail, ok } from '../../../../kit/result.ts';
import type { Result } from '../../../../kit/result.ts';
import { openSymbolTable } from '../../../kernel/symbol-table.ts';
import type { SymbolTable } from '../../../kernel/symbol-table.ts';
import { unpackVmlinuz } from './vmlinuz.ts';

export interface FileSection {
  readonly name: string;
  /** From `_text`. */
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface KernelFile {
  /** Of the file as given, hexadecimal. */
  readonly sha256: string;
  /** Hexadecimal GNU build id: says which running kernels this is. */
  readonly buildId: string;
  /** Loaded sections by name, without those that are empty. */
  readonly sections: ReadonlyMap<string, FileSection>;
  readonly symbols: SymbolTable;
  /** `length` bytes from `offset` as they are once moved to where `_text` is at `textLow`; null when the file does not hold them. */
  bytes(offset: number, length: number, textLow: number): Buffer | null;
}

interface Relocations {
  /** Offsets from `_text` of values to which the distance is added, 32 bits wide; 64 bits wide; and subtracted. Ascending. */
  readonly words: Uint32Array;
  readonly quads: Uint32Array;
  readonly inverse: Uint32Array;
}

interface Section extends FileSection {
  readonly fileOffset: number;
}

const sectionsMax = 256;
const sectionHeaderBytes = 64;
const buildIdNote = Buffer.from('040000001400000003000000474e5500', 'hex');
const damaged = problem('unreadable', 'The kernel in this file is not laid out as a Linux kernel is.');

/** Unpacks and reads a vmlinuz: half a second and some 60 MB, which belong to the value that is returned. */
export function openKernelFile(vmlinuz: Buffer): Result<KernelFile> {
  const unpacked = unpackVmlinuz(vmlinuz);
  if (!unpacked.ok) return unpacked;
  const bytes = unpacked.value;
  const sections = readSections(bytes);
  const text = sections?.find(({ name }) => name === '.text');
  const constants = sections?.find(({ name }) => name === '.rodata');
  const notes = sections?.find(({ name }) => name === '.notes');
  if (sections === null || text === undefined || constants === undefined || notes === undefined) return fail(damaged);
  const relocations = readRelocations(bytes, sections.base);
  const constantBytes = bytes.subarray(constants.fileOffset, constants.fileOffset + constants.sizeBytes);
  const aligned = Buffer.from(new ArrayBuffer(constants.sizeBytes));
  constantBytes.copy(aligned);
  const symbols = openSymbolTable({
    bytes: aligned,
    offset: constants.offset,
    textLow: sections.base,
    sizeBytes: imageSize(sections),
  });
  if (!symbols.ok) return symbols;
  const noteBytes = bytes.subarray(notes.fileOffset, notes.fileOffset + notes.sizeBytes);
  const note = noteBytes.indexOf(buildIdNote);
  if (note < 0 || relocations === null) return fail(damaged);
  const buildId = noteBytes.toString('hex', note + buildIdNote.length, note + buildIdNote.length + 20);
  return ok({
    sha256: createHash('sha256').update(vmlinuz).digest('hex'),
    buildId,
    sections: new Map(sections.map((section) => [section.name, section])),
    symbols: symbols.value,
    bytes(offset, length, textLow) {
      const held = sections.find((s) => offset >= s.offset && offset + length <= s.offset + s.sizeBytes);
      if (held === undefined) return null;
      const from = held.fileOffset + (offset - held.offset);
      const copy = Buffer.from(bytes.subarray(from, from + length));
      relocate(copy, offset, relocations, (textLow - sections.base) | 0);
      return copy;
    },
  });
}

type Sections = readonly Section[] & { readonly base: number };

/** `base` = low half of the address `_text` was linked for. */
function readSections(bytes: Buffer): Sections | null {
  const tableAt = readSmall(bytes, 0x28);
  const count = bytes.readUInt16LE(0x3c);
  const namesIndex = bytes.readUInt16LE(0x3e);
  if (tableAt === null || count > sectionsMax || tableAt + count * sectionHeaderBytes > bytes.length) return null;
  const namesAt = readSmall(bytes, tableAt + namesIndex * sectionHeaderBytes + 24) ?? bytes.length;
  const found: (Section & { readonly low: number })[] = [];
  for (let index = 0; index < count; index += 1) {
    const header = tableAt + index * sectionHeaderBytes;
    const kind = bytes.readUInt32LE(header + 4);
    const low = bytes.readUInt32LE(header + 16);
    const high = bytes.readUInt32LE(header + 20);
    const fileOffset = readSmall(bytes, header + 24);
    const sizeBytes = readSmall(bytes, header + 32);
    const nameAt = namesAt + bytes.readUInt32LE(header);
    const holdsBytes = kind !== 0 && kind !== 8 && high === 0xffff_ffff;
    if (!holdsBytes || fileOffset === null || sizeBytes === null || fileOffset + sizeBytes > bytes.length) continue;
    const name = bytes.toString('latin1', nameAt, Math.max(nameAt, bytes.indexOf(0, nameAt)));
    found.push({ name, low, offset: 0, sizeBytes, fileOffset });
  }
  const base = found.find(({ name }) => name === '.text')?.low;
  if (base === undefined) return null;
  const sections = found.map(({ low, ...section }) => ({ ...section, offset: low - base }));
  return Object.assign(sections, { base });
}

/**
 * The lists behind the ELF file, read from the end: 32-bit values, then (to 6.14, where per-CPU data has addresses of its own) those
 * that move the other way, then 64-bit values; each list ends at a zero.
 */
function readRelocations(bytes: Buffer, base: number): Relocations | null {
  const elfEnd = (readSmall(bytes, 0x28) ?? bytes.length) + bytes.readUInt16LE(0x3c) * sectionHeaderBytes;
  const lists: Uint32Array[] = [];
  let at = bytes.length - 4;
  while (at >= elfEnd && lists.length < 4) {
    const list: number[] = [];
    for (; at >= elfEnd; at -= 4) {
      const low = bytes.readUInt32LE(at);
      if (low === 0) break;
      list.push(low >= base ? low - base : 0xffff_ffff);
    }
    at -= 4;
    lists.push(Uint32Array.from(list).sort());
  }
  const [words, second, third] = lists;
  if (words === undefined || second === undefined || lists.length > 3) return null;
  return third === undefined
    ? { words, inverse: new Uint32Array(), quads: second }
    : { words, inverse: second, quads: third };
}

/** A value that straddles the edge of what was asked for is completed only if it begins inside: edges are section or slice bounds. */
function relocate(copy: Buffer, offset: number, relocations: Relocations, distance: number): void {
  if (distance === 0) return;
  const each = (list: Uint32Array, width: number, change: (at: number) => void): void => {
    for (let index = firstAtLeast(list, offset); index < list.length; index += 1) {
      const at = (list[index] ?? 0) - offset;
      if (at + width > copy.length) return;
      change(at);
    }
  };
  each(relocations.words, 4, (at) => copy.writeInt32LE((copy.readInt32LE(at) + distance) | 0, at));
  each(relocations.inverse, 4, (at) => copy.writeInt32LE((copy.readInt32LE(at) - distance) | 0, at));
  each(relocations.quads, 8, (at) => {
    // The kernel's window lies within the top two gigabytes: the high half never changes.
    copy.writeInt32LE((copy.readInt32LE(at) + distance) | 0, at);
  });
}

export function firstAtLeast(ascending: Uint32Array, value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function imageSize(sections: readonly Section[]): number {
  return Math.max(...sections.map(({ offset, sizeBytes }) => offset + sizeBytes));
}

function readSmall(bytes: Buffer, at: number): number | null {
  if (at + 8 > bytes.length || bytes.readUInt32LE(at + 4) !== 0) return null;
  return bytes.readUInt32LE(at);
}
