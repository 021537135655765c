// Holds a stretch of code against what it was, and finds in every difference a reason or none: a patch site with a value its kind
// allows, a registered probe, a lock prefix. What is left is a change that no part of the kernel makes.
import type { CodeOwners } from '../modules/code-owners.ts';
import { opcode, relativeTarget } from './machine-code.ts';
import { allowedBytes } from './patch-sites.ts';
import type { PatchSite, PatchSites, SiteContext } from './patch-sites.ts';

export interface CodeChange {
  /** From `_text`. */
  readonly offset: number;
  readonly was: Buffer;
  readonly is: Buffer;
  /** The patch site it hides in, when it does: one whose value is not what its kind allows. */
  readonly site: PatchSite | null;
}

/** Bytes around a stretch that are read with it, so that a site across its edge can be judged. */
export const marginBytes = 16;
const changeBytesMax = 32;
const changesMax = 256;
/** Differences this close belong to one change. */
const gapBytes = 8;
/** What most patch places take. */
const siteBytes = 5;

export interface CodeStretch {
  /** From `_text`. */
  readonly offset: number;
  readonly was: Buffer;
  /** `marginBytes` before and after what `was` covers. */
  readonly is: Buffer;
}

export interface CodeRules {
  readonly sites: PatchSites;
  readonly context: SiteContext;
  readonly owners: CodeOwners;
  /** How many bytes from `offset` on the kernel itself wrote at boot; for comparing with its file. */
  readonly atBoot?: (offset: number) => number;
}

/** Changes without a reason, at most 256. */
export function unexplainedChanges(stretch: CodeStretch, rules: CodeRules): readonly CodeChange[] {
  const { was, is, offset } = stretch;
  const changes: CodeChange[] = [];
  let at = 0;
  while (at < was.length && changes.length < changesMax) {
    if (was[at] === is[at + marginBytes]) {
      at += 1;
      continue;
    }
    const explained = explainedBytes(stretch, at, rules);
    if (explained > 0) {
      at += explained;
      continue;
    }
    let end = at + 1;
    for (let next = end; next < was.length && next < end + gapBytes && next < at + changeBytesMax; next += 1) {
      if (was[next] !== is[next + marginBytes] && explainedBytes(stretch, next, rules) === 0) end = next + 1;
    }
    const site = rules.sites.around(offset + at).find((one) => reaches(one, offset + at)) ?? null;
    // A patch place is told whole, from its start, whichever of its bytes differ.
    const from = site === null ? at : Math.max(0, site.offset - offset);
    const to = site === null ? end : Math.max(end, Math.min(was.length, from + siteBytes));
    changes.push({
      offset: offset + from,
      was: Buffer.from(was.subarray(from, to)),
      is: Buffer.from(is.subarray(from + marginBytes, to + marginBytes)),
      site,
    });
    at = Math.max(end, to);
  }
  return changes;
}

function reaches(site: PatchSite, offset: number): boolean {
  return offset < site.offset + siteBytes;
}

/** How many bytes from `at` on are accounted for; 0 when the one at `at` is not. */
function explainedBytes(
  { was, is, offset }: CodeStretch,
  at: number,
  { sites, context, owners, atBoot }: CodeRules,
): number {
  const here = offset + at;
  for (const site of sites.around(here)) {
    const length = allowedBytes(site, is, at + marginBytes - (here - site.offset), context);
    if (here < site.offset + length) return site.offset + length - here;
  }
  const now = is[at + marginBytes];
  if (now === opcode.trap && context.isProbed(here)) return 1;
  for (let back = 0; back < 5; back += 1) {
    const index = at + marginBytes - back;
    if (is[index] !== opcode.jump || !context.isProbed(here - back)) continue;
    const target = relativeTarget(is, index, here - back);
    if (target !== null && owners.of(target)?.kind === 'probe') return 5 - back;
  }
  // A kernel drops the lock prefix while it has one processor, and puts it back when another comes.
  const before = was[at];
  const lock = (before === 0xf0 && now === 0x3e) || (before === 0x3e && now === 0xf0);
  return lock ? 1 : (atBoot?.(here) ?? 0);
}
