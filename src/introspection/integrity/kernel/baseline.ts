// What a kernel's code and constants were when they were last known to be good, kept compressed: some ten megabytes for a guest.
// Taken from the running kernel. Where the distribution's file of the same build is given, every byte is first held against that
// (see verify-image.ts); without one the first look is trusted, and the baseline says so.
import { zstdCompressSync, zstdDecompressSync, constants } from 'node:zlib';
import { problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { readSymbolTable } from '../../kernel/symbol-table.ts';
import type { IntegrityFinding } from '../integrity-view.ts';
import { fileSites } from './code/boot-sites.ts';
import type { KernelFile } from './code/kernel-file.ts';
import { mapKernel } from './kernel-map.ts';
import type { KernelMap } from './kernel-map.ts';
import { PatchSites } from './code/patch-sites.ts';
import { imageSites, namedSites, traceSites } from './code/runtime-sites.ts';
import { Unseen } from '../unseen.ts';

export const sliceBytes = 64 * 1024;
const regionBytesMax = 256 * 1024 * 1024;
const pageBytes = 4096;

/** code: may change at patch sites only; constants: never change. */
export interface BaselineRegion {
  readonly holds: 'code' | 'constants';
  /** From `_text`. */
  readonly offset: number;
  readonly sizeBytes: number;
  readonly slices: readonly Buffer[];
}

/** A word of a writable table that led into the kernel's code. */
export interface TableWord {
  /** From `_text`. */
  readonly offset: number;
  /** Low half of the pointer; the high half is that of all code. */
  readonly low: number;
  /** `tcp_prot+0x28`. */
  readonly name: string;
}

export interface Doubt {
  readonly check: 'kernel-code' | 'kernel-constants' | 'function-tables';
  readonly finding: IntegrityFinding;
}

export interface KernelBaseline {
  /** kernel-image: what is trusted is the distribution's file. first-use: what the guest showed when it was first looked at. */
  readonly source: 'kernel-image' | 'first-use';
  /** Of the kernel's file, hexadecimal; null for first use. */
  readonly fileSha256: string | null;
  readonly map: KernelMap;
  readonly sites: PatchSites;
  readonly regions: readonly BaselineRegion[];
  /** The interrupt table as it was. */
  readonly interruptTable: Buffer;
  readonly tableWords: readonly TableWord[];
  /** What was wrong when the baseline was taken, with the check it belongs to. */
  readonly doubts: readonly Doubt[];
  /** What taking it cost in memory. */
  readonly keptBytes: number;
}

/** Facts of the running kernel that a baseline starts from. `file`: of the same build, or null. */
export function takeBaseline(space: KernelSpace, file: KernelFile | null): Result<KernelBaseline> {
  const table = file === null ? readSymbolTable(space.pages.memory, space.image) : ok(file.symbols);
  if (!table.ok) return table;
  const map = mapKernel(table.value);
  const { _etext: textEnd, __start_rodata: constantsStart, __end_rodata: constantsEnd } = map.landmarks;
  if (textEnd === undefined || constantsStart === undefined || constantsEnd === undefined) {
    return fail(problem('unreadable', 'The guest kernel does not say where its code and constants lie.'));
  }
  const unseen = new Unseen();
  const text = Math.ceil(textEnd / pageBytes) * pageBytes;
  const own = file === null ? imageSites(space, map, unseen) : fileSites(file, space.image.textLow);
  const sites = [...own, ...namedSites(map), ...traceSites(space, map, unseen)].filter(
    ({ offset }) => offset >= 0 && offset < text,
  );
  const regions = [
    takeRegion(space, 'code', 0, text),
    takeRegion(space, 'constants', constantsStart, constantsEnd - constantsStart),
  ];
  if (regions.some((region) => region === null)) {
    return fail(problem('unreadable', 'The guest kernel’s code cannot be read.', 'Try again; it may be booting.'));
  }
  const kept = regions.filter((region) => region !== null);
  const tableWords = takeTableWords(space, map);
  return ok({
    source: file === null ? 'first-use' : 'kernel-image',
    fileSha256: file?.sha256 ?? null,
    map,
    sites: new PatchSites(sites),
    regions: kept,
    interruptTable: takeInterruptTable(space, map),
    tableWords,
    doubts: [],
    keptBytes: kept.flatMap(({ slices }) => slices).reduce((sum, { length }) => sum + length, 0) + sites.length * 9,
  });
}

function takeRegion(
  space: KernelSpace,
  holds: 'code' | 'constants',
  offset: number,
  sizeBytes: number,
): BaselineRegion | null {
  if (sizeBytes <= 0 || sizeBytes > regionBytesMax || offset + sizeBytes > space.image.sizeBytes) return null;
  const slices: Buffer[] = [];
  const bytes = Buffer.alloc(sliceBytes);
  for (let done = 0; done < sizeBytes; done += sliceBytes) {
    const length = Math.min(sliceBytes, sizeBytes - done);
    if (!space.pages.memory.read(space.image.textPhysical + offset + done, bytes, 0, length)) return null;
    slices.push(pack(bytes.subarray(0, length)));
  }
  return { holds, offset, sizeBytes, slices };
}

export function pack(bytes: Buffer): Buffer {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}

export function unpack(slice: Buffer): Buffer {
  return zstdDecompressSync(slice);
}

export const interruptTableBytes = 4096;

function takeInterruptTable(space: KernelSpace, map: KernelMap): Buffer {
  const bytes = Buffer.alloc(interruptTableBytes);
  const at = map.landmarks.idt_table;
  if (at !== undefined) space.pages.memory.read(space.image.textPhysical + at, bytes, 0, bytes.length);
  return bytes;
}

function takeTableWords(space: KernelSpace, map: KernelMap): readonly TableWord[] {
  const textEnd = map.landmarks._etext ?? 0;
  const words: TableWord[] = [];
  for (const { name, offset, sizeBytes } of map.functionTables) {
    for (let at = 0; at + 8 <= sizeBytes; at += 8) {
      const where = space.image.textPhysical + offset + at;
      const low = space.pages.u32(where);
      const inText = low >= space.image.textLow && low - space.image.textLow < textEnd;
      if (space.pages.u32(where + 4) !== 0xffff_ffff || !inText) continue;
      words.push({ offset: offset + at, low, name: at === 0 ? name : `${name}+0x${at.toString(16)}` });
    }
  }
  return words;
}
