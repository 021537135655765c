// How much of a long count a run takes: a seeded sample in `npm test`, the whole in `npm run soak`.

export const isSoak: boolean = process.env['PLUMBLINE_SOAK'] === '1';

/** The full count under soak, the sample otherwise. */
export function counted(sample: number, full: number): number {
  return isSoak ? full : sample;
}

/** One seed for a run, printed by whoever uses it, so that a failing run can be had again: PLUMBLINE_SEED=N npm test. */
export function seed(): number {
  return Number(process.env['PLUMBLINE_SEED'] ?? 20_261_121);
}
