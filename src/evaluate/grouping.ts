// Scores the grouping of machines that are in no service: the product's own stages, against what the machines are known to be for.
import { type Result, fail, ok } from '../kit/result.ts';
import { problem } from '../kit/problem.ts';
import { traitKey, vmTraitsMax, type VmTrait } from '../model/vm-trait.ts';
import { groupVms } from '../stages/learn/group-vms.ts';
import { traitsOf } from '../stages/learn/traits.ts';
import { normalise } from '../stages/normalise/normalise.ts';
import type { GroupingSet } from './grouping-sets.data.ts';
import { adjustedRandIndex } from './rand-index.ts';
import { InputNotes } from './input-notes.ts';
import { readMarkedEvents } from './read-marked-events.ts';

export interface GroupingScore {
  readonly machines: number;
  readonly roles: number;
  readonly groups: number;
  readonly lone: number;
  /** Every machine counts; one that is alone is a part of its own. */
  readonly adjustedRandIndex: number;
  /** Of the machines that were grouped, those whose group is mostly of their role. */
  readonly purity: number | null;
}

const machinesMax = 2000;

interface Machine {
  readonly role: string;
  readonly traits: Map<string, VmTrait>;
}

export async function scoreGrouping(set: GroupingSet, files: readonly string[]): Promise<Result<GroupingScore>> {
  const machines = new Map<string, Machine>();
  const counts = new Map<string, number>();
  for await (const each of readMarkedEvents(files, new InputNotes())) {
    if (!each.ok) return each;
    const { event, marks } = each.value;
    // What an intruder does is no part of what a machine is for.
    if (marks.role === 'attack') continue;
    const count = counts.get(event.host) ?? 0;
    counts.set(event.host, count + 1);
    const told = set.tell(event, marks.rec, count);
    const activity = normalise(event);
    if (told === null || !activity.ok || activity.value.kind === 'loss') continue;
    const machine = machines.get(told.machine) ?? { role: told.role, traits: new Map<string, VmTrait>() };
    if (machines.size >= machinesMax && !machines.has(told.machine))
      return fail(problem('refused', `${set.name} holds more than ${machinesMax} machines.`));
    machines.set(told.machine, machine);
    for (const trait of traitsOf(activity.value))
      if (machine.traits.size < vmTraitsMax) machine.traits.set(traitKey(trait), trait);
  }
  return ok(scored(machines));
}

function scored(machines: ReadonlyMap<string, Machine>): GroupingScore {
  const shown = [...machines].map(([vm, { traits }]) => ({ vm, name: vm, traits: [...traits.values()] }));
  const { groups, lone } = groupVms(shown, []);
  const groupOf = new Map(groups.flatMap(({ members }, at) => members.map(({ vm }) => [vm, `group ${at}`])));
  const names = [...machines.keys()];
  const roleOf = (vm: string): string => machines.get(vm)?.role ?? '';
  let pure = 0;
  for (const { members } of groups) {
    const roles = Map.groupBy(members, ({ vm }) => roleOf(vm));
    pure += Math.max(...[...roles.values()].map(({ length }) => length));
  }
  return {
    machines: machines.size,
    roles: new Set(names.map(roleOf)).size,
    groups: groups.length,
    lone: lone.length,
    adjustedRandIndex: adjustedRandIndex(
      names.map(roleOf),
      names.map((vm) => groupOf.get(vm) ?? `alone ${vm}`),
    ),
    purity: groupOf.size === 0 ? null : pure / groupOf.size,
  };
}
