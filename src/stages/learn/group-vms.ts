// Which VMs in no service belong together, and which belong to a service there is. Nothing is decided: a person applies what he
// agrees with. The same VMs in any order give the same groups.
import type { VmGroup, LoneVm, GroupTrait } from '../../model/grouping.ts';
import { traitKey, type VmTrait } from '../../model/vm-trait.ts';
import { cluster } from './cluster.ts';
import { traitSpace, type TraitSpace } from './trait-distance.ts';

export interface ShownVm {
  readonly vm: string;
  readonly name: string;
  readonly traits: readonly VmTrait[];
}

export interface KnownService {
  readonly scope: string;
  readonly service: string;
  readonly members: readonly ShownVm[];
}

export interface Grouped {
  /** The surest first. */
  readonly groups: readonly VmGroup[];
  readonly lone: readonly LoneVm[];
}

/** With fewer nobody can say what a machine is for. */
const traitsMin = 3;
/** "A reasonable structure has been found" (Kaufman and Rousseeuw 1990, table 4). */
const scoreMin = 0.5;
const traitsShown = 8;

interface Machines {
  readonly all: readonly ShownVm[];
  readonly space: TraitSpace;
  readonly showing: ReadonlyMap<string, readonly number[]>;
}

export function groupVms(unassigned: readonly ShownVm[], services: readonly KnownService[]): Grouped {
  const known = unassigned.filter(({ traits }) => traits.length >= traitsMin).toSorted(byVm);
  const unknown = unassigned.filter(({ traits }) => traits.length < traitsMin).toSorted(byVm);
  const inhabited = services
    .map((service) => ({ ...service, members: service.members.filter(({ traits }) => traits.length >= traitsMin) }))
    .filter(({ members }) => members.length > 0)
    .toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  const all = [...known, ...inhabited.flatMap(({ members }) => members.toSorted(byVm))];
  const machines = { all, space: traitSpace(all.map(({ traits }) => traits)), showing: showingOf(all) };
  let next = known.length;
  const together = inhabited.map(({ members }) => members.map(() => next++));
  const { clusters, silhouettes } = cluster(machines.space.distances, together);
  const groups: VmGroup[] = [];
  const grouped = new Set<number>();
  for (const points of clusters) {
    const fresh = points.filter((point) => point < known.length && (silhouettes[point] ?? 0) > 0);
    const of = together.findIndex((members) => members.some((member) => points.includes(member)));
    const score = mean(fresh.map((point) => silhouettes[point] ?? 0));
    if (fresh.length === 0 || score < scoreMin || (of === -1 && fresh.length < 2)) continue;
    for (const point of fresh) grouped.add(point);
    groups.push(groupOf(machines, fresh, points, inhabited[of] ?? null, score, silhouettes));
  }
  const left = known.flatMap((_, point) => (grouped.has(point) ? [] : [loneOf(machines, point)]));
  const unseen = unknown.map(({ vm, name, traits }) => ({ vm, name, why: whyUnknown(traits.length), nearest: null }));
  return { groups: groups.toSorted((a, b) => b.score - a.score), lone: [...left, ...unseen] };
}

function byVm(a: ShownVm, b: ShownVm): number {
  return a.vm < b.vm ? -1 : 1;
}

function placeOf({ scope, service }: KnownService): string {
  return `${scope}/${service}`;
}

function whyUnknown(traits: number): string {
  return traits === 0 ? 'nothing was seen of it yet' : `only ${traits} things were seen of it yet`;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, each) => sum + each, 0) / values.length;
}

function showingOf(machines: readonly ShownVm[]): Map<string, number[]> {
  const showing = new Map<string, number[]>();
  for (const [at, { traits }] of machines.entries())
    for (const key of new Set(traits.map(traitKey))) {
      const known = showing.get(key);
      if (known === undefined) showing.set(key, [at]);
      else known.push(at);
    }
  return showing;
}

function groupOf(
  machines: Machines,
  fresh: readonly number[],
  points: readonly number[],
  service: KnownService | null,
  score: number,
  silhouettes: readonly number[],
): VmGroup {
  const traits = traitsWithin(machines, points);
  const shared = traits.filter(({ inside }) => inside === 1);
  const distinguishing = traits
    .filter(({ inside, outside }) => inside > 0.5 && inside > outside)
    .toSorted(
      (a, b) => standsOut(machines, b) - standsOut(machines, a) || (traitKey(a.trait) < traitKey(b.trait) ? -1 : 1),
    )
    .slice(0, traitsShown);
  const members = fresh.map((point) => {
    const { vm, name } = machines.all[point] ?? { vm: '', name: '' };
    return { vm, name, score: silhouettes[point] ?? 0 };
  });
  const join = service === null ? null : { scope: service.scope, service: service.service };
  return { join, members, score, traits: traits.length, shared: shared.length, distinguishing };
}

/** How much more it is shown inside than outside, by what it weighs. */
function standsOut({ space }: Machines, { trait, inside, outside }: GroupTrait): number {
  return (inside - outside) * (space.weights.get(traitKey(trait)) ?? 0);
}

function traitsWithin({ all, showing }: Machines, points: readonly number[]): GroupTrait[] {
  const own = new Set(points);
  const traits = new Map(
    points.flatMap((point) => (all[point]?.traits ?? []).map((trait) => [traitKey(trait), trait])),
  );
  return [...traits].map(([key, trait]) => {
    const shown = showing.get(key) ?? [];
    const inside = shown.filter((point) => own.has(point)).length;
    const others = all.length - points.length;
    return { trait, inside: inside / points.length, outside: others === 0 ? 0 : (shown.length - inside) / others };
  });
}

function loneOf({ all, space }: Machines, point: number): LoneVm {
  const row = space.distances[point] ?? new Float64Array();
  let nearest = -1;
  for (const [other, distance] of row.entries())
    if (other !== point && (nearest === -1 || distance < (row[nearest] ?? 1))) nearest = other;
  const { vm, name } = all[point] ?? { vm: '', name: '' };
  const other = all[nearest];
  const similarity = 1 - (row[nearest] ?? 1);
  if (other === undefined || similarity <= 0) return { vm, name, why: 'nothing else behaves like it', nearest: null };
  return {
    vm,
    name,
    why: 'no group of it with others holds together well enough',
    nearest: { vm: other.vm, name: other.name, similarity },
  };
}
