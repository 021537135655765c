// The adjusted Rand index (Hubert and Arabie 1985): how far two partitions of the same things agree, beyond what chance would give.

/** 1 = the same; 0 = what chance gives; `a` and `b` name the part of each thing. One only where both put all or none together. */
export function adjustedRandIndex(a: readonly string[], b: readonly string[]): number {
  const both = pairsWithin(a.map((part, at) => JSON.stringify([part, b[at]])));
  const [inA, inB, all] = [pairsWithin(a), pairsWithin(b), pairs(a.length)];
  const expected = all === 0 ? 0 : (inA * inB) / all;
  const most = (inA + inB) / 2;
  return most === expected ? 1 : (both - expected) / (most - expected);
}

function pairsWithin(parts: readonly string[]): number {
  return [...Map.groupBy(parts, (part) => part).values()].reduce((sum, { length }) => sum + pairs(length), 0);
}

function pairs(count: number): number {
  return (count * (count - 1)) / 2;
}
