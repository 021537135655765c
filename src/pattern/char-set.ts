// A set of UTF-16 code units as sorted, disjoint ranges: what one place of a pattern admits. Pure arithmetic, no syntax.

/** Inclusive on both ends. */
export interface CharRange {
  readonly low: number;
  readonly high: number;
}
export type CharSet = readonly CharRange[];

const lastUnit = 0xff_ff;

/** `'a-z0-9_'`: single characters and `x-y` spans, as inside a regular expression's brackets but without escapes. */
export function charSet(spec: string): CharSet {
  const ranges: CharRange[] = [];
  for (let at = 0; at < spec.length; at += 1) {
    const low = spec.charCodeAt(at);
    const isSpan = spec[at + 1] === '-' && at + 2 < spec.length;
    ranges.push({ low, high: isSpan ? spec.charCodeAt(at + 2) : low });
    if (isSpan) at += 2;
  }
  return ranges.sort((a, b) => a.low - b.low);
}

export const anyChar: CharSet = [{ low: 0, high: lastUnit }];

/** Everything but one character. */
export function anyCharBut(char: string): CharSet {
  const unit = char.charCodeAt(0);
  return [
    { low: 0, high: unit - 1 },
    { low: unit + 1, high: lastUnit },
  ];
}

export function oneChar(unit: number): CharSet {
  return [{ low: unit, high: unit }];
}

export function hasChar(set: CharSet, unit: number): boolean {
  for (const range of set) if (unit >= range.low && unit <= range.high) return true;
  return false;
}

/**
 * One sample of every region of `of` that no set in `by` cuts through: two code units of the same region are
 * indistinguishable to all the sets, so that checking the samples checks every character there is.
 */
export function sampleRegions(of: CharSet, by: readonly CharSet[]): readonly number[] {
  const cuts = new Set<number>();
  for (const set of by) {
    for (const range of set) {
      cuts.add(range.low);
      cuts.add(range.high + 1);
    }
  }
  const samples: number[] = [];
  for (const range of of) {
    samples.push(range.low);
    for (const cut of cuts) if (cut > range.low && cut <= range.high) samples.push(cut);
  }
  return samples;
}
