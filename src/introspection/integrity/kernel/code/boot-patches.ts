// Judges what a kernel wrote over its own code as it booted, against the kernel's file: each place may hold what was there, or what one
// of its alternatives puts there, moved to where it runs.
// Source: arch/x86/kernel/alternative.c and paravirt.c in Linux, 5.10 to 7.x.
import type { BootSite, BootSites } from './boot-sites.ts';
import type { KernelFile } from './kernel-file.ts';
import { isIdle, isTraps, opcode, relativeTarget } from './machine-code.ts';

export interface BootRules {
  readonly sites: BootSites;
  readonly file: KernelFile;
  readonly textLow: number;
  /** By address from `_text`: the register an indirect branch's thunk jumps through, 0 to 15. */
  readonly thunks: ReadonlyMap<number, number>;
  readonly returnThunks: ReadonlySet<number>;
  /** Where a function of the kernel starts. */
  readonly isFunction: (offset: number) => boolean;
}

/** Code as it should be, and as it is; both start at `offset` and reach as far. */
export interface CodePair {
  readonly offset: number;
  readonly was: Buffer;
  readonly is: Buffer;
}

const displacementBytes = 4;

/** How many bytes from `here` on are accounted for by what happens at boot; 0 for none. */
export function bootPatchedBytes(pair: CodePair, here: number, rules: BootRules, depth = 0): number {
  for (const site of rules.sites.around(here)) {
    const length = judge(site, pair, rules, depth);
    if (here < site.offset + length) return site.offset + length - here;
  }
  return 0;
}

function judge(site: BootSite, pair: CodePair, rules: BootRules, depth: number): number {
  const at = site.offset - pair.offset;
  const { is } = pair;
  if (at < 0 || at + site.length > is.length) return 0;
  switch (site.kind) {
    case 'alternative':
      return isAlternative(site, pair, rules, depth) ? site.length : 0;
    case 'retpoline':
      return indirectBytes(pair, at, rules);
    case 'return':
      return returnBytes(pair, at, rules);
    case 'call':
      return accountedCallBytes(pair, at);
    case 'no-entry':
      // The mark that a function may be called indirectly, taken out where nothing does.
      return ['660f1f00', '0f1f40d6'].includes(is.toString('hex', at, at + 4)) ? 4 : 0;
    case 'paravirtual':
      return isParavirtual(pair, at, site.length, rules) ? site.length : 0;
    case 'constant':
      // A number that is known from boot on, written into the instruction that uses it.
      return site.length;
  }
}

/** A jump or call through a register, in place of one through its thunk. */
function indirectBytes({ was, is, offset }: CodePair, at: number, { thunks }: BootRules): number {
  const prefix = was[at] === 0x2e ? 1 : 0;
  const target = relativeTarget(was, at + prefix, offset + at + prefix);
  const register = target === null ? undefined : thunks.get(target);
  if (register === undefined) return 0;
  const length = prefix + (was[at + prefix] === 0x0f ? 6 : 5);
  const now = relativeTarget(is, at + prefix, offset + at + prefix);
  if (now !== null && thunks.get(now) === register) return length;
  let index = at;
  // A conditional one jumps over the rest when its condition is not met.
  if (((is[index] ?? 0) & 0xf0) === 0x70) index += 2;
  if (is.toString('hex', index, index + 3) === '0faee8') index += 3;
  while (is[index] === 0x2e || is[index] === 0x3e) index += 1;
  const wide = is[index] === 0x41;
  if (wide) index += 1;
  const form = is[index + 1] ?? 0;
  const branches = is[index] === 0xff && ((form & 0xf8) === 0xd0 || (form & 0xf8) === 0xe0);
  if (!branches || (form & 7) + (wide ? 8 : 0) !== register) return 0;
  index += 2;
  const end = at + length;
  return index <= end && (isIdle(is, index, end) || isTraps(is, index, end)) ? length : 0;
}

/** A return, in place of a jump to the thunk that returns; or a jump to another such thunk. */
function returnBytes({ is, offset }: CodePair, at: number, { returnThunks }: BootRules): number {
  const target = relativeTarget(is, at, offset + at);
  if (target !== null && returnThunks.has(target)) return is[at] === 0x0f ? 6 : 5;
  return is[at] === opcode.return && isTraps(is, at + 1, at + 5) ? 5 : 0;
}

/** Processors whose calls are counted: a call is led through the padding before the function. */
function accountedCallBytes({ was, is, offset }: CodePair, at: number): number {
  const [before, now] = [relativeTarget(was, at, offset + at), relativeTarget(is, at, offset + at)];
  return before !== null && now !== null && now <= before && before - now <= 32 ? 5 : 0;
}

/** Short instructions that stand in for a call of a hypervisor's, on bare metal and under most hypervisors. */
const inlined = [
  'fa',
  'fb',
  '9c58',
  '579d',
  '509d',
  '31c0',
  '4889f8',
  '0f20d8',
  '0f22df',
  '0f20d0',
  '0f06',
  '0f09',
  'c60700',
  'c3',
  '0f01f8',
];

function isParavirtual({ was, is, offset }: CodePair, at: number, length: number, rules: BootRules): boolean {
  const end = at + length;
  if (was.compare(is, at, end, at, end) === 0 || isIdle(is, at, end)) return true;
  const target = relativeTarget(is, at, offset + at);
  if (target !== null) return rules.isFunction(target) && isIdle(is, at + 5, end);
  return inlined.some((code) => {
    const bytes = Buffer.from(code, 'hex');
    return is.subarray(at, at + bytes.length).equals(bytes) && isIdle(is, at + bytes.length, end);
  });
}

function isAlternative(
  site: Extract<BootSite, { kind: 'alternative' }>,
  pair: CodePair,
  rules: BootRules,
  depth: number,
): boolean {
  if (depth > 1) return false;
  const at = site.offset - pair.offset;
  const original = pair.was.subarray(at, at + site.length);
  if (matches(original, site.offset, site, pair, rules, depth)) return true;
  const replacement = rules.file.bytes(site.with, site.withLength, rules.textLow);
  if (replacement === null) return false;
  // A call through a pointer becomes a call of what it points to, or nothing when that does nothing.
  if (original[0] === 0xff && isIdle(pair.is, at, at + site.length)) return true;
  const direct = pair.is[at] === opcode.call ? relativeTarget(pair.is, at, site.offset) : null;
  if (original[0] === 0xff && direct !== null)
    return rules.isFunction(direct) && isIdle(pair.is, at + 5, at + site.length);
  return matches(replacement, site.with, site, pair, rules, depth);
}

/** `code`, made for the place `madeFor`, is what the site holds: addresses relative to the place aside, the rest idle. */
function matches(
  code: Buffer,
  madeFor: number,
  site: BootSite,
  pair: CodePair,
  rules: BootRules,
  depth: number,
): boolean {
  const start = site.offset - pair.offset;
  const end = start + site.length;
  const { is } = pair;
  let index = 0;
  while (index < code.length) {
    const at = start + index;
    if (code[index] === is[at]) {
      index += 1;
      continue;
    }
    const moved = movedDisplacement(code, madeFor, index, is, at, site.offset);
    if (moved > 0) {
      index += moved;
      continue;
    }
    const shortened = is[at] === opcode.shortJump && code[index] === opcode.jump;
    if (shortened && relativeTarget(is, at, site.offset + index) === relativeTarget(code, index, madeFor + index)) {
      return isIdle(is, at + 2, end) || isTraps(is, at + 2, end);
    }
    // Padding is rewritten into as few instructions as possible.
    if (isIdle(code, index, code.length) && isIdle(is, at, end)) return true;
    const padding = paddingBytes(code, index);
    if (padding > 0 && isIdle(is, at, at + padding)) {
      index += padding;
      continue;
    }
    const nested = madeFor === site.offset ? nestedBytes(pair, site, site.offset + index, rules, depth) : 0;
    if (nested === 0) return false;
    index += nested;
  }
  return start + index >= end || isIdle(is, start + index, end);
}

/** How many single-byte idle instructions follow one another. */
function paddingBytes(code: Buffer, from: number): number {
  let at = from;
  while (code[at] === 0x90) at += 1;
  return at - from;
}

/** A displacement of four bytes around the one at `index` that leads to the same place from both. */
function movedDisplacement(
  code: Buffer,
  madeFor: number,
  index: number,
  is: Buffer,
  at: number,
  placedAt: number,
): number {
  for (let back = 0; back < displacementBytes; back += 1) {
    const from = index - back;
    if (from < 1 || from + displacementBytes > code.length || at - back + displacementBytes > is.length) continue;
    const [meant, found] = [madeFor + code.readInt32LE(from), placedAt + is.readInt32LE(at - back)];
    if (meant === found) return displacementBytes - back;
  }
  return 0;
}

/** Another site within this one. */
function nestedBytes(pair: CodePair, outer: BootSite, here: number, rules: BootRules, depth: number): number {
  for (const site of rules.sites.around(here)) {
    if (site === outer || (site.kind === 'alternative' && site.offset === outer.offset)) continue;
    const length = judge(site, pair, rules, depth + 1);
    if (here < site.offset + length) return site.offset + length - here;
  }
  return 0;
}
