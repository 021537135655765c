// The kernel's own code and constants against their baseline.
import type { KernelSpace } from '../../../kernel/kernel-space.ts';
import type { IntegrityCheck, IntegrityFinding } from '../../integrity-view.ts';
import type { BaselineRegion, KernelBaseline } from '../baseline.ts';
import { marginBytes, unexplainedChanges } from './compare-code.ts';
import type { CodeChange } from './compare-code.ts';
import { answer } from '../kernel-look.ts';
import { sliceBytes } from '../kept-bytes.ts';
import type { KernelLook } from '../kernel-look.ts';
import { atOffset, hex } from '../hooks/kernel-pointer.ts';
import { Unseen } from '../../unseen.ts';

const covers = {
  code: 'Every byte of the kernel’s code against its baseline; a place the kernel patches by itself must hold what the kernel would write there.',
  constants:
    'Every byte of the kernel’s constants against their baseline: system call table, file, protocol and security operations, tables of what is patched.',
} as const;

/** One slice of a region, as a finding for every change that nothing explains. The look is taken only when something differs. */
export function checkSlice(
  space: KernelSpace,
  { kept }: KernelBaseline,
  { holds, offset: start, slices }: BaselineRegion,
  index: number,
  takeLook: () => KernelLook,
  unseen: Unseen,
): readonly IntegrityFinding[] {
  const slice = slices[index];
  if (slice === undefined) return [];
  const { memory } = space.pages;
  const offset = start + index * sliceBytes;
  const at = space.image.textPhysical + offset;
  const seen = kept.compare(slice, (into) => memory.read(at, into, 0, into.length));
  if (seen === 'unreadable') unseen.note('a part of the kernel’s image cannot be read');
  if (seen !== 'changed') return [];
  const was = kept.bytes(slice);
  if (was === null) {
    unseen.note('a changed part of the kernel’s image whose earlier bytes were lost');
    return [];
  }
  const is = Buffer.alloc(was.length + 2 * marginBytes);
  // The very first bytes of the image have nothing before them that could be read.
  const before = offset === 0 ? 0 : marginBytes;
  const readable = memory.read(at - before, is, marginBytes - before, before + was.length + marginBytes);
  if (!readable && !memory.read(at - before, is, marginBytes - before, before + was.length)) {
    unseen.note('a part of the kernel’s image cannot be read');
    return [];
  }
  if (was.equals(is.subarray(marginBytes, marginBytes + was.length))) return [];
  const look = takeLook();
  if (holds === 'constants') return changedConstants(look, offset, was, is.subarray(marginBytes));
  const { sites } = look.baseline;
  return unexplainedChanges({ offset, was, is }, { sites, context: look.context, owners: look.owners }).map((change) =>
    codeFinding(look, change),
  );
}

export function checkRegion(look: KernelLook, holds: 'code' | 'constants'): IntegrityCheck {
  const unseen = new Unseen();
  const findings = look.baseline.regions
    .filter((region) => region.holds === holds)
    .flatMap((region) =>
      region.slices.flatMap((_, index) => checkSlice(look.space, look.baseline, region, index, () => look, unseen)),
    );
  return regionAnswer(holds, findings, unseen);
}

export function regionAnswer(
  holds: 'code' | 'constants',
  findings: readonly IntegrityFinding[],
  unseen: Unseen,
): IntegrityCheck {
  return answer(holds === 'code' ? 'kernel-code' : 'kernel-constants', covers[holds], findings, unseen);
}

export function codeFinding(look: KernelLook, change: CodeChange): IntegrityFinding {
  const name = look.names.ofOffset(change.offset);
  const facts = {
    address: hex(atOffset(look.space, change.offset)),
    was: change.was.toString('hex'),
    is: change.is.toString('hex'),
  };
  if (change.site === null) {
    return {
      kind: 'patched-kernel-code',
      certainty: 'certain',
      subject: name,
      detail: `Code of the kernel at ${name} was changed where the kernel never changes it.`,
      facts,
    };
  }
  return {
    kind: 'hook-in-patch-site',
    certainty: 'certain',
    subject: name,
    detail: `Code of the kernel at ${name}, which the kernel itself patches (${change.site.kind}), holds what it would never write there.`,
    facts: { ...facts, site: change.site.kind },
  };
}

/** Constants never change, so that every word is told; one that leads into code is a hook. */
export function changedConstants(
  look: KernelLook,
  offset: number,
  was: Buffer,
  is: Buffer,
): readonly IntegrityFinding[] {
  const findings: IntegrityFinding[] = [];
  for (let at = 0; at + 8 <= was.length && findings.length < 256; at += 8) {
    if (was.compare(is, at, at + 8, at, at + 8) === 0) continue;
    const before = { high: was.readUInt32LE(at + 4), low: was.readUInt32LE(at) };
    const now = { high: is.readUInt32LE(at + 4), low: is.readUInt32LE(at) };
    const name = look.names.ofOffset(offset + at);
    const wasCode = look.owners.ofPointer(look.space, before) !== null;
    const target = look.names.of(now);
    findings.push({
      kind: wasCode ? 'hooked-table-entry' : 'changed-kernel-constants',
      certainty: 'certain',
      subject: name,
      detail: wasCode
        ? `The table entry ${name} led to ${look.names.of(before)} and now leads to ${target}.`
        : `The kernel’s constants at ${name} were changed; they never change once the kernel has booted.`,
      facts: { address: hex(atOffset(look.space, offset + at)), was: hex(before), is: hex(now) },
    });
  }
  return findings;
}
