// Machines of simulated tiers, in no service, are put together as their tiers are, whatever some of them do besides and in whatever
// order they come; what is like nobody is left alone, and what is like a service there is joins it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adjustedRandIndex } from './rand-index.ts';
import { traitKey, type VmTrait } from '../model/vm-trait.ts';
import { groupVms, type Grouped, type ShownVm } from '../stages/learn/group-vms.ts';
import { traitsOf } from '../stages/learn/traits.ts';
import { normalise } from '../stages/normalise/normalise.ts';
import { Random } from '../sim/random.ts';
import { process } from '../sim/seen.ts';
import { type Tier, dayOf, drawTier } from '../sim/workload.ts';

const seeds = Array.from({ length: 20 }, (_, at) => at + 1);
const everywhere = ['systemd', 'journald', 'sshd', 'cron', 'agetty', 'dbus-daemon', 'udevd', 'chronyd'];

function drawTiers(random: Random, count: number): Tier[] {
  const tiers = new Map<string, Tier>();
  while (tiers.size < count) {
    const tier = drawTier(random);
    const members = Array.from({ length: random.integer(2, 5) }, (_, at) => `name:${tiers.size}-${at}`);
    if (!tiers.has(tier.server.exe))
      tiers.set(tier.server.exe, { ...tier, members: [members[0] ?? '', ...members.slice(1)] });
  }
  return [...tiers.values()];
}

function machinesOf(tier: Tier, random: Random, odd: (vm: string) => readonly VmTrait[] = () => []): ShownVm[] {
  const activities = dayOf(tier, random).map((event) => {
    const activity = normalise(event);
    assert.ok(activity.ok && activity.value.kind !== 'loss');
    return activity.value;
  });
  return tier.members.map((vm) => {
    // Not every look catches everything.
    const own = activities.filter((activity) => activity.vm === vm && random.chance(0.9));
    const system = everywhere.map((name) => process(`/usr/sbin/${name}`, [name]));
    const traits = [...own, ...system].flatMap(traitsOf);
    return { vm, name: vm.slice(5), traits: unique([...traits, ...odd(vm)]) };
  });
}

function unique(traits: readonly VmTrait[]): VmTrait[] {
  return [...new Map(traits.map((trait) => [traitKey(trait), trait])).values()];
}

function indexOf({ groups }: Grouped, vms: readonly ShownVm[]): number {
  const groupOf = new Map(groups.flatMap(({ members }, at) => members.map(({ vm }) => [vm, `group ${at}`])));
  return adjustedRandIndex(
    vms.map(({ vm }) => vm.slice(0, vm.indexOf('-'))),
    vms.map(({ vm }) => groupOf.get(vm) ?? vm),
  );
}

const means = (indices: readonly number[]): number => indices.reduce((sum, each) => sum + each, 0) / indices.length;

test('tiers are found again, in whatever order their machines come', () => {
  const indices = seeds.map((seed) => {
    const random = new Random(seed);
    const vms = drawTiers(random, 3).flatMap((tier) => machinesOf(tier, random));
    const grouped = groupVms(vms, []);
    assert.deepEqual(groupVms(random.shuffle(vms), []), grouped);
    return indexOf(grouped, vms);
  });
  assert.ok(means(indices) >= 0.95, indices.map((each) => each.toFixed(2)).join(' '));
});

test('a machine in which an intruder does much besides stays with its tier, and is not taken for another', () => {
  const indices = seeds.map((seed) => {
    const random = new Random(seed);
    const odd = (vm: string): VmTrait[] =>
      vm.endsWith('-0')
        ? Array.from({ length: 200 }, (_, at) => ({ kind: 'program', what: `/tmp/${vm}/${at}` }) as const)
        : [];
    const vms = drawTiers(random, 3).flatMap((tier) => machinesOf(tier, random, odd));
    const grouped = groupVms(vms, []);
    for (const { members } of grouped.groups)
      assert.equal(new Set(members.map(({ vm }) => vm.slice(0, vm.indexOf('-')))).size, 1, `seed ${seed}`);
    return indexOf(grouped, vms);
  });
  assert.ok(means(indices) >= 0.75, indices.map((each) => each.toFixed(2)).join(' '));
});

test('machines of a service there is join it, and a stranger joins nothing', () => {
  for (const seed of seeds) {
    const random = new Random(seed);
    const [first, second, third] = drawTiers(random, 3).map((tier) => machinesOf(tier, random));
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    const [newcomer, ...members] = first;
    const [stranger] = third;
    assert.ok(newcomer !== undefined && stranger !== undefined);
    const services = [{ scope: 'shop', service: 'web', members }];
    const { groups, lone } = groupVms([newcomer, ...second, stranger], services);
    const joined = groups.filter(({ join }) => join !== null);
    assert.deepEqual(
      joined.map(({ join, members: fresh }) => [join, fresh.map(({ vm }) => vm)]),
      [[{ scope: 'shop', service: 'web' }, [newcomer.vm]]],
    );
    assert.ok(joined.every(({ score, distinguishing }) => score >= 0.5 && distinguishing.length > 0));
    assert.ok(
      lone.some(({ vm }) => vm === stranger.vm),
      `seed ${seed}`,
    );
  }
});
