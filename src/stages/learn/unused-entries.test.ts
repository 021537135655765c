// When an entry is no longer used: after so long, beyond its rests and its calendar, watched all the while.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { ManifestEntry, Provenance } from '../../model/manifest.ts';
import { process } from '../../sim/seen.ts';
import { unusedEntries, type UseRecord } from './unused-entries.ts';

const nowIso = '2026-11-22T00:00:00.000Z';
const dayMs = 86_400_000;
const ago = (days: number): string => new Date(Date.parse(nowIso) - days * dayMs).toISOString();

function record(
  days: number,
  change: Partial<UseRecord> & { exe?: string; kind?: Provenance['kind'] } = {},
): UseRecord {
  const { exe = '/usr/bin/job', kind = 'learned', ...rest } = change;
  const entry: ManifestEntry = {
    id: `id of ${exe}`,
    behaviour: { kind: 'process', exe, argv: ['job'], user: '0', parent: '/usr/sbin/cron' },
    provenance: { kind, at: ago(400) },
  };
  const base = { entry, lastAt: ago(days), longestGapMs: 0, watchedSeconds: days * 86_400, awaitsBoot: false };
  return { ...base, samples: [], ...rest };
}

const isUnused = (of: UseRecord): boolean => unusedEntries([of], { nowIso, afterDays: 30 }).length === 1;
const monthly = process('/usr/bin/gzip', ['gzip', 'x'], '/usr/bin/dash', {
  parent: { exe: '/usr/bin/dash', argv: ['sh', '/etc/cron.monthly/pack'] },
});

const cases: readonly (readonly [string, UseRecord, boolean])[] = [
  ['used yesterday', record(1), false],
  ['quiet for 29 days', record(29.9), false],
  ['quiet for 31 days', record(31), true],
  ['rested for 20 days before', record(59, { longestGapMs: 20 * dayMs }), false],
  ['rested for 20 days before, quiet for three times that', record(61, { longestGapMs: 20 * dayMs }), true],
  ['its member was off', record(90, { watchedSeconds: 10 * 86_400 }), false],
  ['watched but for some hours', record(31, { watchedSeconds: 28.5 * 86_400 }), true],
  ['a job of the month', record(80, { exe: '/etc/cron.monthly/report' }), false],
  ['a job of the month that missed three turns', record(94, { exe: '/etc/cron.monthly/report' }), true],
  ['a child of a job of the month', record(80, { samples: [monthly] }), false],
  ['a job of the year', record(800, { exe: '/etc/cron.yearly/tax' }), false],
  ['a job of the day', record(31, { exe: '/etc/cron.daily/apt' }), true],
  ['used when machines start, and none has started', record(300, { awaitsBoot: true }), false],
  ['declared', record(300, { kind: 'declared' }), false],
  ['approved by a person', record(300, { kind: 'approved' }), false],
  ['from the knowledge base', record(300, { kind: 'knowledge' }), false],
  ['from a package', record(300, { kind: 'package' }), false],
];

for (const [what, of, expected] of cases) test(what, () => assert.equal(isUnused(of), expected));

test('why is said, the longest unused first', () => {
  const unused = unusedEntries([record(40, { exe: '/b' }), record(90, { exe: '/a', longestGapMs: 12 * dayMs })], {
    nowIso,
    afterDays: 30,
  });
  assert.deepEqual(
    unused.map(({ entry, quietDays, neededDays, why }) => [entry.behaviour.exe, quietDays, neededDays, why]),
    [
      ['/a', 90, 36, 'it rested 12 days at most, and 3 times as long has passed'],
      ['/b', 40, 30, 'it was used on one occasion only'],
    ],
  );
});

test('what is used at least as often as ever is never called unused, however the limit is set', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 400, noNaN: true }),
      fc.double({ min: 0, max: 2.99, noNaN: true }),
      fc.integer({ min: 1, max: 365 }),
      (gapDays, rests, afterDays) => {
        const of = record(gapDays * rests, { longestGapMs: gapDays * dayMs });
        assert.deepEqual(unusedEntries([of], { nowIso, afterDays }), []);
      },
    ),
  );
});
