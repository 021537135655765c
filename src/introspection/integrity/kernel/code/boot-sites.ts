// The places where a kernel rewrites its code once, as it boots, to suit its processor: taken from the kernel's file, since the running
// kernel has thrown these tables away. What each may hold is judged in boot-patches.ts.
// Source: arch/x86/include/asm/alternative.h, paravirt_types.h, asm/runtime-const.h and tools/objtool in Linux.
import type { FileSection, KernelFile } from './kernel-file.ts';
import type { PatchSite } from './patch-sites.ts';

export type BootSite =
  | {
      readonly kind: 'alternative';
      readonly offset: number;
      readonly length: number;
      readonly with: number;
      readonly withLength: number;
    }
  | {
      readonly kind: 'retpoline' | 'return' | 'call' | 'no-entry' | 'paravirtual' | 'constant';
      readonly offset: number;
      readonly length: number;
    };

export interface BootSites {
  /** Those whose bytes hold `offset`. */
  around(offset: number): readonly BootSite[];
  readonly count: number;
}

const entriesMax = 400_000;
const siteBytesMax = 255;

/** By section name: what its list of relative addresses means, and how many bytes each place takes. */
const placeLists: readonly (readonly [RegExp, BootSite['kind'], number])[] = [
  [/^\.retpoline_sites$/, 'retpoline', 6],
  [/^\.return_sites$/, 'return', 6],
  [/^\.call_sites$/, 'call', 6],
  [/^\.ibt_endbr_seal$/, 'no-entry', 4],
  [/^runtime_ptr_/, 'constant', 8],
  [/^runtime_(?:shift|mask)_/, 'constant', 4],
];

export function readBootSites(file: KernelFile, textLow: number): BootSites {
  const sites: BootSite[] = [];
  for (const section of file.sections.values()) {
    const list = placeLists.find(([name]) => name.test(section.name));
    if (list !== undefined) {
      const [, kind, length] = list;
      for (const offset of relativePlaces(file, section, textLow)) sites.push({ kind, offset, length } as BootSite);
    }
  }
  sites.push(...alternatives(file, textLow), ...paravirtual(file, textLow));
  return indexed(sites);
}

function indexed(sites: readonly BootSite[]): BootSites {
  const sorted = sites.toSorted((a, b) => a.offset - b.offset);
  return {
    count: sorted.length,
    around(offset) {
      let low = 0;
      let high = sorted.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((sorted[middle]?.offset ?? 0) <= offset) low = middle + 1;
        else high = middle;
      }
      const found: BootSite[] = [];
      for (let index = low - 1; index >= 0; index -= 1) {
        const site = sorted[index];
        if (site === undefined || site.offset + siteBytesMax <= offset) break;
        if (offset < site.offset + site.length) found.push(site);
      }
      return found;
    },
  };
}

/** A list of s32, each relative to its own place. */
function* relativePlaces(file: KernelFile, section: FileSection, textLow: number): Generator<number> {
  const bytes = file.bytes(section.offset, section.sizeBytes, textLow) ?? Buffer.alloc(0);
  for (let at = 0; at + 4 <= Math.min(bytes.length, entriesMax * 4); at += 4)
    yield section.offset + at + bytes.readInt32LE(at);
}

/** An entry: {s32 place, s32 replacement, feature of 2 or 4 bytes, u8 length, u8 replacement's length, to 5.x u8 padding}, unaligned. */
function alternatives(file: KernelFile, textLow: number): readonly BootSite[] {
  const section = file.sections.get('.altinstructions');
  const replacements = file.sections.get('.altinstr_replacement');
  const bytes = section === undefined ? null : file.bytes(section.offset, section.sizeBytes, textLow);
  if (section === undefined || replacements === undefined || bytes === null) return [];
  for (const [size, lengthsAt] of [
    [12, 10],
    [13, 10],
    [14, 12],
  ] as const) {
    if (bytes.length % size !== 0) continue;
    const sites: BootSite[] = [];
    for (let at = 0; at < Math.min(bytes.length, entriesMax * size); at += size) {
      const offset = section.offset + at + bytes.readInt32LE(at);
      const replacement = section.offset + at + 4 + bytes.readInt32LE(at + 4);
      if (replacement < replacements.offset || replacement > replacements.offset + replacements.sizeBytes) break;
      const [length, withLength] = [bytes[at + lengthsAt] ?? 0, bytes[at + lengthsAt + 1] ?? 0];
      sites.push({ kind: 'alternative', offset, length, with: replacement, withLength });
    }
    // The size that fits is the one by which every entry leads to a replacement.
    if (sites.length === bytes.length / size) return sites;
  }
  return [];
}

/** To 6.7. An entry: {u64 place, u8 kind, u8 length}, every 16 bytes; the last one has no padding. */
function paravirtual(file: KernelFile, textLow: number): readonly BootSite[] {
  const section = file.sections.get('.parainstructions');
  const bytes = section === undefined ? null : file.bytes(section.offset, section.sizeBytes, textLow);
  if (bytes === null) return [];
  const sites: BootSite[] = [];
  for (let at = 0; at + 10 <= Math.min(bytes.length, entriesMax * 16); at += 16) {
    sites.push({ kind: 'paravirtual', offset: bytes.readUInt32LE(at) - textLow, length: bytes[at + 9] ?? 0 });
  }
  return sites;
}

/** What the kernel patches while it runs, from its file: whoever changed the tables in memory before we came gains nothing. */
export function fileSites(file: KernelFile, textLow: number): readonly PatchSite[] {
  const marks = new Map<string, number>();
  for (const { name, offset } of file.symbols.symbols()) if (/^__st(?:art|op)_/.test(name)) marks.set(name, offset);
  const table = (name: string): { readonly bytes: Buffer; readonly offset: number } => {
    const [start, stop] = [marks.get(`__start_${name}`), marks.get(`__stop_${name}`)];
    const bytes = start === undefined || stop === undefined ? null : file.bytes(start, stop - start, textLow);
    return { bytes: bytes ?? Buffer.alloc(0), offset: start ?? 0 };
  };
  const sites: PatchSite[] = [];
  const jumps = table('__jump_table');
  for (let at = 0; at + 16 <= jumps.bytes.length; at += 16) {
    const code = jumps.offset + at + jumps.bytes.readInt32LE(at);
    sites.push({ kind: 'jump-label', offset: code, target: jumps.offset + at + 4 + jumps.bytes.readInt32LE(at + 4) });
  }
  const calls = table('static_call_sites');
  for (let at = 0; at + 8 <= calls.bytes.length; at += 8) {
    const key = calls.offset + at + 4 + calls.bytes.readInt32LE(at + 4);
    sites.push({
      kind: 'static-call',
      offset: calls.offset + at + calls.bytes.readInt32LE(at),
      target: key - (key % 4),
    });
  }
  const traced = table('mcount_loc');
  for (let at = 0; at + 8 <= traced.bytes.length; at += 8) {
    sites.push({ kind: 'ftrace', offset: traced.bytes.readUInt32LE(at) - textLow, target: 0 });
  }
  return sites;
}
