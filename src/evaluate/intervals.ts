// 95 % intervals for what an evaluation counts: shares of runs, and numbers of alarms in a time.

export interface Rate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const z = 1.959964;

/** Wilson's score interval (Wilson 1927) for `hit` of `of`; `of` must be above zero. */
export function wilson(hit: number, of: number): Rate {
  const share = hit / of;
  const scale = 1 + z ** 2 / of;
  const middle = (share + z ** 2 / (2 * of)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / of + z ** 2 / (4 * of ** 2));
  // At the ends the formula gives 0 and 1 up to rounding.
  return { value: share, low: hit === 0 ? 0 : middle - half, high: hit === of ? 1 : middle + half };
}

/**
 * The exact interval of a Poisson mean (Garwood 1936) for `count` events, divided by `time`. Nothing in T is reported as at most
 * 3 / T, the one-sided bound ("rule of three").
 */
export function poissonRate(count: number, time: number): Rate {
  if (count === 0) return { value: 0, low: 0, high: 3 / time };
  const low = solve(count, (mean) => 1 - poissonAtMost(count - 1, mean), 0.025);
  const high = solve(count, (mean) => 1 - poissonAtMost(count, mean), 0.975);
  return { value: count / time, low: low / time, high: high / time };
}

/** The mean at which a rising probability reaches `wanted`. */
function solve(count: number, probability: (mean: number) => number, wanted: number): number {
  let low = 0;
  let high = 10 + 3 * count;
  for (let step = 0; step < 80; step += 1) {
    const mean = (low + high) / 2;
    if (probability(mean) < wanted) low = mean;
    else high = mean;
  }
  return (low + high) / 2;
}

/** P(X <= count) of a Poisson variable; summed in logarithms, since the terms of a large mean underflow. */
function poissonAtMost(count: number, mean: number): number {
  if (mean === 0) return 1;
  let term = -mean;
  let sum = Math.exp(term);
  for (let k = 1; k <= count; k += 1) {
    term += Math.log(mean / k);
    sum += Math.exp(term);
  }
  return Math.min(1, sum);
}
