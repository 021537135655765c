// Proposes services for VMs that are in none, and what `apply` takes to make it so. It changes nothing.
import type { DeclaredScope } from '../../model/declaration.ts';
import type { Grouping } from '../../model/grouping.ts';
import type { VmTrait } from '../../model/vm-trait.ts';
import { groupVms, type Grouped, type KnownService, type ShownVm } from '../../stages/learn/group-vms.ts';
import { listScopes } from '../store/applications.ts';
import type { Db } from '../store/tables.ts';
import { readTraits } from '../store/vm-traits.ts';
import { listVms } from '../store/vms.ts';

/** What is compared with everything else: it costs the square of it. */
const unassignedMax = 300;
const servicesMax = 60;
/** Members are alike: some stand for the others. */
const membersMax = 4;

/** `scope` = where new services would go. */
export async function proposeServices(db: Db, scope: string): Promise<Grouping> {
  const vms = (await listVms(db)).filter(({ state }) => state !== 'gone');
  const names = new Map(vms.map(({ id, name }) => [id, name]));
  const scopes = await listScopes(db);
  const places = scopes.flatMap(({ name, services }) => services.map((service) => ({ scope: name, ...service })));
  const assigned = new Set(places.flatMap(({ members }) => members.map(({ vm }) => vm)));
  const shown = async (id: string): Promise<ShownVm> => ({
    vm: id,
    name: names.get(id) ?? id,
    traits: (await readTraits(db, id)).map(({ kind, what }): VmTrait => ({ kind, what })),
  });
  const unassigned: ShownVm[] = [];
  const free = vms.filter(({ id }) => !assigned.has(id)).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  for (const { id } of free.slice(0, unassignedMax)) unassigned.push(await shown(id));
  const services: KnownService[] = [];
  for (const { scope: of, name, members } of places.slice(0, servicesMax)) {
    const some: ShownVm[] = [];
    for (const { vm } of members.slice(0, membersMax)) some.push(await shown(vm));
    services.push({ scope: of, service: name, members: some });
  }
  const grouped = groupVms(unassigned, services);
  const taken = new Set(places.filter((place) => place.scope === scope).map(({ name }) => name));
  const groups = grouped.groups.map((group) => ({
    ...group,
    members: [...group.members],
    distinguishing: [...group.distinguishing],
    service: group.join?.service ?? freeName(nameOf(group), taken),
  }));
  return {
    groups,
    lone: [...grouped.lone],
    declaration: { scopes: declared(groups, scope, names) },
    notes: [
      ...(free.length > unassignedMax ? [`${free.length - unassignedMax} more VMs in no service were left out`] : []),
      ...(places.length > servicesMax ? [`${places.length - servicesMax} more services were not looked at`] : []),
      ...(free.length === 0 ? ['every VM is in a service'] : []),
    ],
  };
}

/** After what it listens with, else what it runs, that others do not. */
function nameOf({ distinguishing }: Grouped['groups'][number]): string {
  const traits = distinguishing.map(({ trait }) => trait);
  const telling = traits.find(({ kind }) => kind === 'listen') ?? traits.find(({ kind }) => kind === 'program');
  const program = telling?.what.split(' ').at(telling.kind === 'listen' ? -1 : 0) ?? '';
  const name = program.slice(program.lastIndexOf('/') + 1).toLowerCase();
  const plain = name
    .replaceAll(/[^a-z0-9._-]/g, '')
    .replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
    .slice(0, 40);
  return /[a-z0-9]$/.test(plain) ? plain : 'group';
}

/** Takes the name. */
function freeName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let number = 2; taken.has(name); number += 1) name = `${wanted}-${number}`;
  taken.add(name);
  return name;
}

/** VMs by their names where these name one of them only. */
function declared(groups: Grouping['groups'], scope: string, names: ReadonlyMap<string, string>): DeclaredScope[] {
  const times = new Map<string, number>();
  for (const name of names.values()) times.set(name, (times.get(name) ?? 0) + 1);
  const reference = (vm: string, name: string): string => (times.get(name) === 1 && name !== '' ? name : vm);
  const byScope = Map.groupBy(groups, ({ join }) => join?.scope ?? scope);
  return [...byScope].map(([name, some]) => ({
    name,
    services: some.map(({ service, members }) => ({
      name: service,
      members: members.map(({ vm, name: of }) => reference(vm, of)),
    })),
  }));
}
