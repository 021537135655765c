// How far apart machines are by what they show: one less the weighted Jaccard index (Ruzicka 1958) of their traits, each weighing the
// more the fewer machines show it (inverse document frequency, Sparck Jones 1972).
import { traitKey, type VmTrait } from '../../model/vm-trait.ts';

export interface TraitSpace {
  /** By machine and machine, from 0 (alike) to 1 (nothing in common). */
  readonly distances: readonly Float64Array[];
  /** By trait: how much it weighs. */
  readonly weights: ReadonlyMap<string, number>;
}

export function traitSpace(machines: readonly (readonly VmTrait[])[]): TraitSpace {
  const shown = machines.map((traits) => new Set(traits.map(traitKey)));
  const showing = new Map<string, number>();
  for (const traits of shown) for (const key of traits) showing.set(key, (showing.get(key) ?? 0) + 1);
  const weights = new Map([...showing].map(([key, count]) => [key, Math.log((machines.length + 1) / count)]));
  const sides = shown.map((traits) => sideOf([...traits], showing, weights));
  const distances = sides.map(() => new Float64Array(sides.length));
  for (const [i, a] of sides.entries())
    for (const [j, b] of sides.entries()) {
      if (j <= i) continue;
      const distance = between(a, b, weights);
      (distances[i] ?? new Float64Array())[j] = distance;
      (distances[j] ?? new Float64Array())[i] = distance;
    }
  return { distances, weights };
}

interface Side {
  /** Traits that some other machine shows too. */
  readonly common: ReadonlySet<string>;
  readonly commonWeight: number;
  /** Of traits that nobody else shows. */
  readonly aloneWeight: number;
}

/**
 * What nobody else shows says that a machine differs and not whom it belongs to. It counts for no more than all the rest: an intruder
 * who has one do a thousand odd things moves it half-way at most.
 */
function sideOf(
  keys: readonly string[],
  showing: ReadonlyMap<string, number>,
  weights: ReadonlyMap<string, number>,
): Side {
  const common = new Set<string>();
  let [commonWeight, aloneWeight] = [0, 0];
  for (const key of keys.toSorted((a, b) => (a < b ? -1 : 1))) {
    const weight = weights.get(key) ?? 0;
    if ((showing.get(key) ?? 0) > 1) {
      common.add(key);
      commonWeight += weight;
    } else aloneWeight += weight;
  }
  return { common, commonWeight, aloneWeight: Math.min(aloneWeight, commonWeight) };
}

function between(a: Side, b: Side, weights: ReadonlyMap<string, number>): number {
  let shared = 0;
  for (const key of a.common) if (b.common.has(key)) shared += weights.get(key) ?? 0;
  const all = a.commonWeight + a.aloneWeight + b.commonWeight + b.aloneWeight - shared;
  return all <= 0 ? 1 : 1 - shared / all;
}
