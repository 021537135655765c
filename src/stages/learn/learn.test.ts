// Learning: the same profile whatever the order and the batches, peers and ports that widen when many were seen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Observed } from '../../model/observation.ts';
import type { Profile } from '../../model/profile.ts';
import { inbound, listen, once, outbound, process } from '../../sim/seen.ts';
import { cover, emptyProfile, learn } from './learn.ts';
import { siblingsMax } from './pool-peers.ts';
import { exactPortsMax } from './pool-ports.ts';

const empty = emptyProfile('shop', 'web');

function learned(activities: readonly Observed[]): Profile {
  return learn(empty, 'name:web1', activities);
}

function peersOf(profile: Profile): readonly string[] {
  return Object.values(profile.entries)
    .flatMap(({ behaviour }) => ('peer' in behaviour ? [behaviour.peer] : []))
    .sort();
}

function calls(addresses: readonly string[]): readonly Observed[] {
  return addresses.map((address) => once(outbound('/usr/bin/app', address, 443)));
}

function hosts(count: number, network = '10.0.0'): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${network}.${at + 1}`);
}

test('members are pooled, counts add up, times span', () => {
  const job = process('/usr/bin/job', ['job', '1234']);
  const again = process('/usr/bin/job', ['job', '5678']);
  let profile = learn(empty, 'name:web1', [
    { activity: job, count: 2, firstAt: '2026-11-21T12:00:00Z', lastAt: '2026-11-21T12:00:00.5Z' },
  ]);
  profile = learn(profile, 'name:web2', [
    { activity: again, count: 3, firstAt: '2026-11-21T11:00:00Z', lastAt: '2026-11-21T11:00:00Z' },
  ]);
  const entries = Object.values(profile.entries);
  assert.equal(entries.length, 1);
  assert.deepEqual(entries[0], {
    behaviour: {
      kind: 'process',
      exe: '/usr/bin/job',
      argv: ['job', '<number>'],
      user: '0',
      parent: '/usr/lib/systemd/systemd',
    },
    count: 5,
    firstAt: '2026-11-21T11:00:00Z',
    lastAt: '2026-11-21T12:00:00.5Z',
    members: ['name:web1', 'name:web2'],
  });
});

test('few addresses stay exact, many become their network', () => {
  assert.deepEqual(peersOf(learned(calls(hosts(siblingsMax)))), [...hosts(siblingsMax)].sort());
  assert.deepEqual(peersOf(learned(calls(hosts(siblingsMax + 1)))), ['10.0.0.0/24']);
});

test('many networks become the one above, many of those everybody', () => {
  const networks = Array.from({ length: siblingsMax + 1 }, (_, at) => `10.7.${at}.1`);
  assert.deepEqual(peersOf(learned(calls(networks))), ['10.7.0.0/16']);
  const sites = Array.from({ length: siblingsMax + 1 }, (_, at) => `10.${at}.0.1`);
  assert.deepEqual(peersOf(learned(calls(sites))), ['10.0.0.0/8']);
  const world = Array.from({ length: siblingsMax + 1 }, (_, at) => `8.${at}.0.1`);
  // The neighbours stay who they are.
  assert.deepEqual(peersOf(learned(calls([...world, '10.0.0.1']))), ['10.0.0.1', 'internet']);
  const v6 = Array.from({ length: siblingsMax + 1 }, (_, at) => `2001:db8::${at + 1}`);
  assert.deepEqual(peersOf(learned(calls(v6))), ['2001:db8::/64']);
});

test('pooling keeps counts, and parts by executable, port and direction', () => {
  const profile = learned([
    ...calls(hosts(siblingsMax + 1)),
    once(outbound('/usr/bin/other', '10.0.0.1', 443)),
    once(outbound('/usr/bin/app', '10.0.0.1', 80)),
    once(inbound('/usr/bin/app', '10.0.0.1', 443)),
    once(outbound('/usr/bin/app', '127.0.0.1', 443)),
  ]);
  assert.deepEqual(peersOf(profile), ['10.0.0.0/24', '10.0.0.1', '10.0.0.1', '10.0.0.1', 'loopback']);
  const pooled = Object.values(profile.entries).find(
    ({ behaviour }) => 'peer' in behaviour && behaviour.peer === '10.0.0.0/24',
  );
  assert.equal(pooled?.count, siblingsMax + 1);
});

test('a listener is ephemeral when it was seen on several ports, not before', () => {
  const ports = (count: number): readonly string[] =>
    Object.values(
      learned(Array.from({ length: count }, (_, at) => once(listen('/usr/bin/app', 40_000 + at)))).entries,
    ).map(({ behaviour }) => ('port' in behaviour ? behaviour.port : ''));
  assert.equal(ports(exactPortsMax).length, exactPortsMax);
  assert.deepEqual(ports(exactPortsMax + 1), ['ephemeral']);
  const fixed = learned(Array.from({ length: 9 }, (_, at) => once(listen('/usr/bin/app', 8000 + at))));
  assert.equal(Object.keys(fixed.entries).length, 9);
});

const address = fc
  .tuple(fc.integer({ min: 0, max: 11 }), fc.integer({ min: 0, max: 11 }), fc.integer({ min: 1, max: 12 }))
  .map(([site, network, host]) => `10.${site}.${network}.${host}`);
const observed: fc.Arbitrary<Observed> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom('/usr/bin/a', null), address)
      .map(([exe, from]) => once(inbound(exe, from, 80))),
  },
  fc
    .tuple(fc.constantFrom('/usr/bin/a', null), fc.integer({ min: 40_000, max: 40_005 }))
    .map(([exe, port]) => once(listen(exe, port))),
  fc.constantFrom('1', '22222', 'x').map((arg) => once(process('/usr/bin/a', ['a', arg]))),
);

test('neither order nor batches change a profile', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(observed, fc.constantFrom('name:web1', 'name:web2')), { maxLength: 150 }),
      fc.infiniteStream(fc.nat()),
      fc.integer({ min: 1, max: 40 }),
      (all, keys, batchSize) => {
        const shuffled = all
          .map((each) => ({ each, key: keys.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ each }) => each);
        assert.deepEqual(inBatches(shuffled, batchSize), inBatches(all, all.length + 1));
      },
    ),
    { numRuns: 60 },
  );
});

function inBatches(all: readonly (readonly [Observed, string])[], size: number): Profile {
  let profile = empty;
  for (let start = 0; start < all.length; start += size) {
    const batch = all.slice(start, start + size);
    for (const vm of ['name:web1', 'name:web2'])
      profile = learn(
        profile,
        vm,
        batch.filter(([, member]) => member === vm).map(([each]) => each),
      );
  }
  return profile;
}

test('coverage adds up per member, in any order', () => {
  const parts = [
    { vm: 'name:web2', observedSeconds: 5, lossSeconds: 1, missed: 0 },
    { vm: 'name:web1', observedSeconds: 10, lossSeconds: 0, missed: 2 },
    { vm: 'name:web2', observedSeconds: 7, lossSeconds: 0, missed: 1 },
  ];
  const forward = parts.reduce(cover, empty);
  assert.deepEqual(forward.coverage, [
    { vm: 'name:web1', observedSeconds: 10, lossSeconds: 0, missed: 2 },
    { vm: 'name:web2', observedSeconds: 12, lossSeconds: 1, missed: 1 },
  ]);
  assert.deepEqual(parts.toReversed().reduce(cover, empty), forward);
});
