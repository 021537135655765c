// Grouping on machines small enough to check by hand, and clusters whatever the distances are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { inbound, listen, outbound, process } from '../../sim/seen.ts';
import type { VmTrait } from '../../model/vm-trait.ts';
import { cluster } from './cluster.ts';
import { groupVms } from './group-vms.ts';
import { traitSpace } from './trait-distance.ts';
import { traitsOf } from './traits.ts';

const program = (what: string): VmTrait => ({ kind: 'program', what });
const base = ['init', 'sshd', 'cron', 'getty'].map(program);
const vm = (name: string, ...more: readonly string[]) => ({
  vm: `name:${name}`,
  name,
  traits: [...base, ...more.map(program)],
});

const traits: readonly (readonly [string, Parameters<typeof traitsOf>[0], readonly string[]])[] = [
  ['a program is its path', process('/usr/sbin/nginx', ['nginx', '-g', 'x']), ['program /usr/sbin/nginx']],
  [
    'an interpreter is what it runs',
    process('/usr/bin/python3.11', ['python3', '-u', '/srv/app.py', '--day', '2026-01-01']),
    ['program /usr/bin/python3.11', 'program /usr/bin/python3.11 /srv/app.py'],
  ],
  ['code is no script', process('/usr/bin/dash', ['sh', '-c', 'cat /etc/passwd']), ['program /usr/bin/dash']],
  ['an unknown program is none', process(null, ['x']), []],
  ['a listener is port and program', listen('/usr/sbin/nginx', 443), ['listen tcp 443 /usr/sbin/nginx']],
  ['a drawn port is none', listen('/usr/sbin/rpcd', 40_001), ['listen tcp ephemeral /usr/sbin/rpcd']],
  ['a caller is where it comes from', inbound('/x', '203.0.113.9', 443), ['inbound tcp 443 internet']],
  [
    'a private peer is itself and its role',
    outbound('/x', '10.0.0.9', 5432),
    ['outbound tcp 5432 private', 'outbound tcp 5432 10.0.0.9'],
  ],
  ['a public peer is its role only', outbound('/x', '203.0.113.9', 443), ['outbound tcp 443 internet']],
];

for (const [what, activity, expected] of traits)
  test(what, () =>
    assert.deepEqual(
      traitsOf(activity).map(({ kind, what: of }) => `${kind} ${of}`),
      expected,
    ),
  );

test('two tiers are two groups, with what tells them apart and how much of the rest do it', () => {
  const { groups, lone } = groupVms(
    [
      ...['w1', 'w2', 'w3'].map((name) => vm(name, 'nginx', 'php', 'certbot')),
      ...['d1', 'd2', 'd3'].map((name) => vm(name, 'postgres', 'pgbackrest', 'wal')),
      vm('odd', 'doom', 'quake', 'hexen'),
    ],
    [],
  );
  assert.deepEqual(
    groups.map(({ members }) => members.map(({ name }) => name).join(' ')).toSorted((a, b) => (a < b ? -1 : 1)),
    ['d1 d2 d3', 'w1 w2 w3'],
  );
  assert.deepEqual(
    groups[0]?.distinguishing.map(({ trait, inside, outside }) => [trait.what, inside, outside]),
    [
      ['pgbackrest', 1, 0],
      ['postgres', 1, 0],
      ['wal', 1, 0],
    ],
  );
  assert.equal(groups[0]?.shared, 7);
  assert.deepEqual(
    lone.map(({ name }) => name),
    ['odd'],
  );
});

test('machines that are all alike are one group; one of which little is known is said to be alone', () => {
  const alike = ['a', 'b', 'c'].map((name) => vm(name, 'nginx'));
  const { groups, lone } = groupVms([...alike, { vm: 'name:new', name: 'new', traits: [] }], []);
  assert.deepEqual(
    groups.map(({ members, score }) => [members.length, score]),
    [[3, 1]],
  );
  assert.deepEqual(lone, [{ vm: 'name:new', name: 'new', why: 'nothing was seen of it yet', nearest: null }]);
  assert.deepEqual(groupVms([], []), { groups: [], lone: [] });
});

test('odd behaviour of one machine moves it half-way at most, however much there is', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 500 }), (more) => {
      const odd = vm('a', 'nginx', 'php', ...Array.from({ length: more }, (_, at) => `odd ${at}`));
      const rest = [vm('b', 'nginx', 'php'), vm('c', 'postgres', 'wal'), vm('d', 'postgres', 'wal')];
      const { distances } = traitSpace([odd, ...rest].map(({ traits: of }) => of));
      assert.ok((distances[0]?.[1] ?? 1) <= 0.5 + 1e-12);
      assert.equal(distances[0]?.[1], distances[1]?.[0]);
    }),
    { numRuns: 40 },
  );
});

test('every point is in one cluster, what is bound stays together and apart, and silhouettes are what they are by definition', () => {
  const point = fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }));
  fc.assert(
    fc.property(fc.array(point, { minLength: 4, maxLength: 14 }), (points) => {
      const distances = points.map(([x, y]) =>
        Float64Array.from(points, ([u, v]) => Math.min(1, Math.hypot(x - u, y - v) / 20)),
      );
      const { clusters, silhouettes } = cluster(distances, [[0, 1], [2]]);
      assert.deepEqual(
        clusters.flat().toSorted((a, b) => a - b),
        points.map((_, at) => at),
      );
      const of = (at: number): number => clusters.findIndex((members) => members.includes(at));
      assert.equal(of(0), of(1));
      assert.notEqual(of(0), of(2));
      for (const at of points.keys()) {
        const mean = (members: readonly number[]): number =>
          members.reduce((sum, each) => sum + (distances[at]?.[each] ?? 1), 0) / members.length;
        const own = clusters[of(at)] ?? [];
        const others = clusters.filter((members) => members !== own).map(mean);
        const [a, b] = [mean(own.filter((each) => each !== at)), Math.min(1, ...others)];
        const expected = own.length === 1 || Math.max(a, b) === 0 ? 0 : (b - a) / Math.max(a, b);
        assert.ok(Math.abs((silhouettes[at] ?? 9) - expected) < 1e-9);
      }
    }),
  );
});
