// What is said of the unseen: never less than the time watched allows, and lossy time counts as not watched.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Profile, ProfileEntry } from '../../model/profile.ts';
import { listen, once } from '../../sim/seen.ts';
import { belongings } from './belongings.ts';
import { discover, noDiscoveries, type Discoveries } from './discoveries.ts';
import { forecastDay, knownKinds } from './forecast.ts';
import { emptyProfile, learn } from './learn.ts';

const day = 86_400;
const covered = (...days: readonly (readonly [number, number])[]): Profile => ({
  ...emptyProfile('shop', 'web'),
  coverage: days.map(([observed, lost], i) => ({
    vm: `name:web${i}`,
    observedSeconds: observed * day,
    lossSeconds: lost * day,
    missed: 0,
  })),
});

/** `kinds` behaviours in turn, so that the last were new long ago; `growing` = each is new. */
function work(activities: number, kinds: number): Discoveries {
  let so = noDiscoveries;
  const drawn = new Map<string, number>();
  for (let i = 0; i < activities; i += 1) {
    const behaviour = `b${i % kinds}`;
    const found = discover(so, [{ behaviour, count: 1, drawnBefore: drawn.get(behaviour) ?? 0 }]);
    so = found.discoveries;
    for (const [name, times] of found.drawn) drawn.set(name, times);
  }
  return so;
}

test('a quiet service is never said to be safer than the rule of three allows', () => {
  const settled = work(5000, 20);
  const two = forecastDay(covered([2, 0]), settled);
  assert.ok(two !== null);
  assert.equal(two.least, 1.5);
  assert.ok(two.newPerDay >= two.least && two.high >= two.newPerDay);
  const twenty = forecastDay(covered([20, 0]), settled);
  assert.ok(twenty !== null && twenty.newPerDay < 1 && twenty.newPerDay >= 0.15, String(twenty?.newPerDay));
});

test('members together are watched longer, and may each show something new', () => {
  const forecast = forecastDay(covered([1, 0], [1, 0], [1, 0]), work(5000, 20));
  assert.deepEqual([forecast?.memberDays, forecast?.least], [3, 3]);
});

test('time in which something may have gone unseen is not time watched', () => {
  assert.equal(forecastDay(covered([4, 3]), work(5000, 20))?.memberDays, 1);
  assert.equal(forecastDay(covered([4, 4]), work(5000, 20)), null);
  assert.equal(forecastDay(covered(), noDiscoveries), null);
});

test('what still showed new behaviours all the time is expected to go on', () => {
  const growing = forecastDay(covered([10, 0]), work(5000, 5000));
  const settled = forecastDay(covered([10, 0]), work(5000, 20));
  assert.ok((growing?.newPerDay ?? 0) > 100 && (settled?.newPerDay ?? 99) < 2);
});

test('kinds are known by how often each behaviour was seen', () => {
  const profile = learn(emptyProfile('shop', 'web'), 'name:web1', [
    { ...once(listen('/usr/sbin/a', 80)), count: 9 },
    once(listen('/usr/sbin/b', 81)),
  ]);
  assert.deepEqual(knownKinds(profile), [{ kind: 'listen', entries: 2, richness: 2, missingMass: 0.1 }]);
});

test('an address in a network that became one entry belongs to that entry', () => {
  const entry: ProfileEntry = {
    behaviour: { kind: 'inbound', exe: '/a', proto: 'tcp', peer: '10.1.2.0/24', port: '80' },
    count: 9,
    firstAt: '2026-11-22T00:00:00.000Z',
    lastAt: '2026-11-22T00:00:00.000Z',
    members: ['name:web1'],
  };
  const profile: Profile = { ...emptyProfile('shop', 'web'), entries: { pooled: entry } };
  const image = { exe: '/a', deleted: false, argv: ['a'], uid: 0, euid: 0 };
  const from = (remoteAddr: string) => ({
    ...once({ ...listen('/a', 80), kind: 'inbound', image, remoteAddr, remotePort: 5 }),
    count: 2,
  });
  const [known, strange] = belongings(profile, [from('10.1.2.7'), from('10.1.2.8'), from('10.7.7.7')]);
  assert.deepEqual(known, { entry: 'pooled', count: 4, isKnown: true });
  assert.deepEqual([strange?.count, strange?.isKnown], [2, false]);
});
