// Agglomerative clustering by average linkage (Sokal and Michener 1958), cut where the mean silhouette (Rousseeuw 1987) is highest.
// Where a point has no other cluster to be held against, a stranger at distance 1 stands for it, so that "all of them are one" is
// an answer like any other. Equal input gives equal clusters: ties go to what stands first.

export interface Clustering {
  /** Points by their numbers, in rising order. */
  readonly clusters: readonly (readonly number[])[];
  /** Of each point, from -1 (it belongs elsewhere) to 1; 0 for a point that is alone. */
  readonly silhouettes: readonly number[];
}

/** `together` = points that stay together and are never joined with others of their kind; they may be joined by the rest. */
export function cluster(distances: readonly Float64Array[], together: readonly (readonly number[])[]): Clustering {
  const bound = new Set(together.flat());
  let groups: Group[] = [
    ...together.map((points) => ({ points, isBound: true })),
    ...distances.flatMap((_, point) => (bound.has(point) ? [] : [{ points: [point], isBound: false }])),
  ];
  // By place among the first groups; a joined group takes the place of the first of the two.
  const links = groups.map((a) => Float64Array.from(groups, (b) => meanBetween(distances, a, b)));
  const places = new Map(groups.map((group, at) => [group, at]));
  let best = judged(distances, groups);
  for (let pair = nearest(links, places); pair !== null; pair = nearest(links, places)) {
    const [a, b] = pair;
    const joined = { points: [...a.points, ...b.points], isBound: a.isBound || b.isBound };
    join(links, places, a, b, joined);
    groups = [...places.keys()];
    const now = judged(distances, groups);
    if (now.mean > best.mean) best = now;
  }
  return best;
}

interface Group {
  readonly points: readonly number[];
  readonly isBound: boolean;
}

type Links = readonly Float64Array[];

function meanBetween(distances: readonly Float64Array[], a: Group, b: Group): number {
  const sum = a.points.reduce((total, point) => total + sumOf(distances[point] ?? new Float64Array(), b.points), 0);
  return sum / (a.points.length * b.points.length);
}

/** Null = what is left has nothing in common, or may not be joined. */
function nearest(links: Links, places: ReadonlyMap<Group, number>): readonly [Group, Group] | null {
  let found: readonly [Group, Group] | null = null;
  let least = 1;
  const groups = [...places];
  for (const [at, [a, row]] of groups.entries())
    for (let other = at + 1; other < groups.length; other += 1) {
      const [b, column] = groups[other] ?? [a, row];
      if (a.isBound && b.isBound) continue;
      const distance = links[row]?.[column] ?? 1;
      if (distance < least) [found, least] = [[a, b], distance];
    }
  return found;
}

/** The mean distance to a joined group is that to both of its parts (Lance and Williams 1967). */
function join(links: Links, places: Map<Group, number>, a: Group, b: Group, joined: Group): void {
  const row = places.get(a) ?? 0;
  const gone = places.get(b) ?? 0;
  const [few, more] = [a.points.length, b.points.length];
  for (const column of places.values()) {
    const mean = (few * (links[row]?.[column] ?? 1) + more * (links[gone]?.[column] ?? 1)) / (few + more);
    (links[row] ?? new Float64Array())[column] = mean;
    (links[column] ?? new Float64Array())[row] = mean;
  }
  places.delete(a);
  places.delete(b);
  places.set(joined, row);
}

interface Judged extends Clustering {
  readonly mean: number;
}

function judged(distances: readonly Float64Array[], groups: readonly Group[]): Judged {
  const silhouettes = distances.map(() => 0);
  for (const group of groups)
    for (const point of group.points) silhouettes[point] = silhouette(distances, groups, group, point);
  const clusters = groups
    .map(({ points }) => points.toSorted((a, b) => a - b))
    .toSorted((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
  const mean = silhouettes.reduce((sum, each) => sum + each, 0) / Math.max(1, silhouettes.length);
  return { clusters, silhouettes, mean };
}

function silhouette(distances: readonly Float64Array[], groups: readonly Group[], own: Group, point: number): number {
  if (own.points.length === 1) return 0;
  const row = distances[point] ?? new Float64Array();
  const inside = sumOf(row, own.points) / (own.points.length - 1);
  let outside = 1;
  for (const group of groups)
    if (group !== own) outside = Math.min(outside, sumOf(row, group.points) / group.points.length);
  const larger = Math.max(inside, outside);
  return larger === 0 ? 0 : (outside - inside) / larger;
}

function sumOf(row: Float64Array, points: readonly number[]): number {
  let sum = 0;
  for (const point of points) sum += row[point] ?? 0;
  return sum;
}
