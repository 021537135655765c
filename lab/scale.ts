// How much of a long count a run takes: a seeded sample in `npm test`, the whole in `npm run soak`.

import { createHash } from 'node:crypto';

export const isSoak: boolean = process.env['PLUMBLINE_SOAK'] === '1';

/** The full count under soak, the sample otherwise. */
export function counted(sample: number, full: number): number {
  return isSoak ? full : sample;
}

/** One seed for a run, printed by whoever uses it, so that a failing run can be had again: PLUMBLINE_SEED=N npm test. */
export function seed(): number {
  return Number(process.env['PLUMBLINE_SEED'] ?? 20_261_121);
}

/**
 * Some of many alike, in their order: drawn by the seed and by who asks, so that suites which each try two kernels try all of them
 * together. All of them under soak.
 */
export function sampled<T extends string>(all: readonly T[], count: number, whoAsks: string): readonly T[] {
  if (isSoak) return all;
  const lot = (item: T): string => createHash('sha256').update(`${seed()} ${whoAsks} ${item}`).digest('hex');
  const drawn = new Set(all.toSorted((a, b) => (lot(a) < lot(b) ? -1 : 1)).slice(0, count));
  return all.filter((item) => drawn.has(item));
}
