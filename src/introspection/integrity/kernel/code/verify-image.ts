// Holds a running kernel's code and constants against its distribution's file: whatever neither the loader nor the kernel itself would
// have changed is told. What passes is then the baseline.
import type { IntegrityFinding } from '../../integrity-view.ts';
import type { Doubt } from '../baseline.ts';
import { bootPatchedBytes } from './boot-patches.ts';
import type { BootRules } from './boot-patches.ts';
import { readBootSites } from './boot-sites.ts';
import { marginBytes, unexplainedChanges } from './compare-code.ts';
import { changedConstants, codeFinding } from './image-check.ts';
import type { KernelFile } from './kernel-file.ts';
import type { KernelLook } from '../kernel-look.ts';
import { sliceBytes } from '../kept-bytes.ts';
import { atOffset, codeHigh, hex } from '../hooks/kernel-pointer.ts';
import { opcode } from './machine-code.ts';
import { allowedBytes } from './patch-sites.ts';
import type { SiteContext } from './patch-sites.ts';

const registers = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const doubtsMax = 256;

/**
 * Without a file: every place the kernel patches must already hold what the kernel would write there. Code that was changed elsewhere
 * before the first look is not noticed.
 */
export function verifySites(look: KernelLook): readonly Doubt[] {
  const { space, baseline, context } = look;
  const sizeBytes = baseline.regions.find(({ holds }) => holds === 'code')?.sizeBytes ?? 0;
  // Stretch by stretch: the whole code at once would be some fifteen megabytes.
  const is = Buffer.alloc(sliceBytes + 2 * marginBytes);
  const doubts: Doubt[] = [];
  for (let from = 0; from < sizeBytes; from += sliceBytes) {
    const to = Math.min(from + sliceBytes, sizeBytes);
    // A site may reach beyond the stretch it begins in.
    const length = Math.min(to + marginBytes, sizeBytes) - from;
    space.pages.memory.read(space.image.textPhysical + from, is, marginBytes, length);
    for (const site of baseline.sites.within(from, to)) {
      if (doubts.length >= doubtsMax) return doubts;
      const at = site.offset - from + marginBytes;
      if (allowedBytes(site, is, at, context) > 0 || isProbed(site.offset, is, at, context)) continue;
      const bytes = Buffer.from(is.subarray(at, at + 5));
      doubts.push({
        check: 'kernel-code',
        finding: codeFinding(look, { offset: site.offset, was: Buffer.alloc(0), is: bytes, site }),
      });
    }
  }
  return doubts;
}

function isProbed(offset: number, is: Buffer, at: number, context: SiteContext): boolean {
  return context.isProbed(offset) && (is[at] === opcode.trap || is[at] === opcode.jump);
}

/** `look.baseline` carries the sites and map taken from this file. */
export function verifyImage(look: KernelLook, file: KernelFile): readonly Doubt[] {
  return [
    ...verifyCode(look, file).map((finding): Doubt => ({ check: 'kernel-code', finding })),
    ...verifyConstants(look, file).map((finding): Doubt => ({ check: 'kernel-constants', finding })),
    ...verifyTables(look, file).map((finding): Doubt => ({ check: 'function-tables', finding })),
  ].slice(0, doubtsMax);
}

function verifyCode(look: KernelLook, file: KernelFile) {
  const { space, context, owners, baseline } = look;
  const text = file.sections.get('.text');
  const { textLow } = space.image;
  const was = text === undefined ? null : file.bytes(text.offset, text.sizeBytes, textLow);
  if (text === undefined || was === null) return [];
  const is = Buffer.alloc(was.length + 2 * marginBytes);
  space.pages.memory.read(space.image.textPhysical + text.offset, is, marginBytes, was.length);
  const pair = { offset: text.offset, was, is: is.subarray(marginBytes, marginBytes + was.length) };
  const rules = bootRules(look, file);
  const stretch = { offset: text.offset, was, is };
  return unexplainedChanges(stretch, {
    sites: baseline.sites,
    context,
    owners,
    atBoot: (here) => bootPatchedBytes(pair, here, rules),
  }).map((change) => codeFinding(look, change));
}

function bootRules(look: KernelLook, file: KernelFile): BootRules {
  const thunks = new Map<number, number>();
  const functions = new Set<number>();
  const returnThunks = new Set(look.baseline.map.returnThunks);
  for (const { name, kind, offset } of file.symbols.symbols()) {
    if (/[tTwW]/.test(kind)) functions.add(offset);
    const register = /^__x86_indirect_(?:its_|call_|jump_)?thunk_(r\w+)$/.exec(name)?.[1];
    if (register === undefined) continue;
    const old = registers.indexOf(register.slice(1));
    const number = old >= 0 ? old : Number(register.slice(1));
    if (Number.isInteger(number)) thunks.set(offset, number);
  }
  const { textLow } = look.space.image;
  return {
    sites: readBootSites(file, textLow),
    file,
    textLow,
    thunks,
    returnThunks,
    isFunction: (offset) => functions.has(offset),
  };
}

/** Section by section, without what the kernel may write until it has booted. */
function verifyConstants(look: KernelLook, file: KernelFile) {
  const { space, baseline } = look;
  const marks = baseline.map.landmarks;
  const [start, end] = [marks.__start_rodata ?? 0, marks.__end_rodata ?? 0];
  const [lateStart, lateEnd] = [marks.__start_ro_after_init ?? end, marks.__end_ro_after_init ?? end];
  return [...file.sections.values()].flatMap((section) => {
    const sectionEnd = section.offset + section.sizeBytes;
    const parts = [
      [Math.max(section.offset, start), Math.min(sectionEnd, lateStart, end)],
      [Math.max(section.offset, lateEnd), Math.min(sectionEnd, end)],
    ] as const;
    return parts.flatMap(([from, to]) => {
      const was = to > from ? file.bytes(from, to - from, space.image.textLow) : null;
      if (was === null) return [];
      const is = Buffer.alloc(was.length);
      space.pages.memory.read(space.image.textPhysical + from, is, 0, is.length);
      return was.equals(is) ? [] : changedConstants(look, from, was, is);
    });
  });
}

/** A function pointer the file has in a writable table is never another one; those it leaves empty are filled as the kernel boots. */
function verifyTables(look: KernelLook, file: KernelFile): readonly IntegrityFinding[] {
  const { space, baseline, names } = look;
  return baseline.tableWords.flatMap(({ offset, low, name }): readonly IntegrityFinding[] => {
    const meant = file.bytes(offset, 8, space.image.textLow);
    if (meant === null || meant.readUInt32LE(4) !== codeHigh || meant.readUInt32LE(0) === low) return [];
    const [was, is] = [meant.readUInt32LE(0), low].map((half) => ({ high: codeHigh, low: half }));
    if (was === undefined || is === undefined) return [];
    return [
      {
        kind: 'hooked-table-entry',
        certainty: 'certain',
        subject: name,
        detail: `The table entry ${name} leads to ${names.of(was)} in the kernel’s file and to ${names.of(is)} in this guest.`,
        facts: { address: hex(atOffset(space, offset)), was: hex(was), is: hex(is), owner: 'kernel' },
      },
    ];
  });
}
