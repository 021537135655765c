// What a kernel's code and constants were when they were last known to be good: a digest of each slice in memory, the bytes on disk.
// Taken from the running kernel. Where the distribution's file of the same build is given, every byte is first held against that
// (see verify-image.ts); without one the first look is trusted, and the baseline says so.
import { problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { readSymbolTable } from '../../kernel/symbol-table.ts';
import type { IntegrityFinding } from '../integrity-view.ts';
import { fileSites } from './code/boot-sites.ts';
import type { KernelFile } from './code/kernel-file.ts';
import { sliceBytes } from './kept-bytes.ts';
import type { KeptBytes, KeptSlice } from './kept-bytes.ts';
import { mapKernel } from './kernel-map.ts';
import type { KernelMap } from './kernel-map.ts';
import { PatchSites } from './code/patch-sites.ts';
import { imageSites, namedSites, traceSites } from './code/runtime-sites.ts';
import { Unseen } from '../unseen.ts';

const regionBytesMax = 256 * 1024 * 1024;
const pageBytes = 4096;

/** code: may change at patch sites only; constants: never change. */
export interface BaselineRegion {
  readonly holds: 'code' | 'constants';
  /** From `_text`. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** Each of `sliceBytes`, the last one of what is left. */
  readonly slices: readonly KeptSlice[];
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
  /** Where the slices are, and those of modules. */
  readonly kept: KeptBytes;
  /** The interrupt table as it was. */
  readonly interruptTable: Buffer;
  readonly tableWords: readonly TableWord[];
  /** What was wrong when the baseline was taken, with the check it belongs to. */
  readonly doubts: readonly Doubt[];
}

/** Facts of the running kernel that a baseline starts from. `file`: of the same build, or null. */
export function takeBaseline(space: KernelSpace, file: KernelFile | null, kept: KeptBytes): Result<KernelBaseline> {
  const table = file === null ? readSymbolTable(space.pages.memory, space.image) : ok(file.symbols);
  if (!table.ok) return table;
  const map = mapKernel(table.value);
  const { _etext: textEnd, __start_rodata: constantsStart, __end_rodata: constantsEnd } = map.landmarks;
  if (textEnd === undefined || constantsStart === undefined || constantsEnd === undefined) {
    return fail(problem('unreadable', 'The guest kernel does not say where its code and constants lie.'));
  }
  const unseen = new Unseen();
  const text = Math.ceil(textEnd / pageBytes) * pageBytes;
  const isOwn = (offset: number): boolean => offset >= 0 && offset < text;
  const own = file === null ? imageSites(space, map, unseen) : fileSites(file, space.image.textLow);
  const sites = [...own, ...namedSites(map)].filter(({ offset }) => isOwn(offset));
  const regions = [
    takeRegion(space, kept, { holds: 'code', offset: 0, sizeBytes: text }),
    takeRegion(space, kept, {
      holds: 'constants',
      offset: constantsStart,
      sizeBytes: constantsEnd - constantsStart,
    }),
  ];
  if (regions.some((region) => region === null)) {
    return fail(problem('unreadable', 'The guest kernel’s code cannot be read.', 'Try again; it may be booting.'));
  }
  return ok({
    source: file === null ? 'first-use' : 'kernel-image',
    fileSha256: file?.sha256 ?? null,
    map,
    sites: new PatchSites([...sites, ...traceSites(space, map, unseen, isOwn)]),
    regions: regions.filter((region) => region !== null),
    kept,
    interruptTable: takeInterruptTable(space, map),
    tableWords: takeTableWords(space, map),
    doubts: [],
  });
}

function takeRegion(
  space: KernelSpace,
  kept: KeptBytes,
  region: Omit<BaselineRegion, 'slices'>,
): BaselineRegion | null {
  const { offset, sizeBytes } = region;
  if (sizeBytes <= 0 || sizeBytes > regionBytesMax || offset + sizeBytes > space.image.sizeBytes) return null;
  const slices: KeptSlice[] = [];
  const bytes = Buffer.alloc(sliceBytes);
  for (let done = 0; done < sizeBytes; done += sliceBytes) {
    const length = Math.min(sliceBytes, sizeBytes - done);
    if (!space.pages.memory.read(space.image.textPhysical + offset + done, bytes, 0, length)) return null;
    const slice = kept.keep(bytes.subarray(0, length));
    if (slice === null) return null;
    slices.push(slice);
  }
  return { ...region, slices };
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
