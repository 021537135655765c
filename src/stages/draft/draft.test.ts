// Drafting: deterministic, provenance by weight, orphans only where nothing explains them; and the objections of the checker.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Manifest, ManifestEntry } from '../../model/manifest.ts';
import type { Activity } from '../../model/observation.ts';
import type { Behaviour } from '../../model/behaviour.ts';
import type { Profile } from '../../model/profile.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { inbound, listen, outbound, process } from '../../sim/seen.ts';
import { checkManifest } from './check.ts';
import { type DraftInput, allowEntry, diffManifests, draft } from './draft.ts';

const approval = { kind: 'approved', by: 'ada', at: '2026-11-22T00:00:00.000Z', alarm: 'a1' } as const;

function profileOf(activities: readonly Activity[]): Profile {
  const entries = activities.map((activity) => {
    const behaviour = behaviourOf(activity);
    const seen = { count: 1, firstAt: activity.at, lastAt: activity.at, members: [activity.vm] };
    return [behaviourId(behaviour), { behaviour, ...seen }] as const;
  });
  return { scope: 'shop', service: 'web', entries: Object.fromEntries(entries), coverage: [] };
}

function drafted(activities: readonly Activity[], rest: Partial<DraftInput> = {}): Manifest {
  return draft({
    profile: profileOf(activities),
    scope: 'shop',
    service: 'web',
    vm: 'name:web1',
    vmName: 'web1',
    mode: 'detect',
    orders: [],
    generation: 3,
    issuedAt: '2026-11-22T00:00:00.000Z',
    approved: [],
    ...rest,
  });
}

const server = process('/usr/sbin/nginx', ['nginx']);
const usual = [
  server,
  listen('/usr/sbin/nginx', 80),
  inbound('/usr/sbin/nginx', '10.0.0.9', 80),
  outbound('/usr/sbin/nginx', '10.0.0.7', 3306),
];

test('the same profile gives the same manifest, in a reader-friendly order', () => {
  const manifest = drafted(usual);
  assert.deepEqual(drafted(usual.toReversed()), manifest);
  assert.deepEqual(
    manifest.entries.map(({ behaviour }) => behaviour.kind),
    ['process', 'listen', 'inbound', 'outbound'],
  );
  assert.equal(manifest.entries[0]?.provenance.kind, 'learned');
  assert.equal(manifest.entries[0]?.provenance.members, 1);
});

test('a person outweighs having been seen', () => {
  const approved = [allowEntry(server, approval), allowEntry(process('/usr/bin/new', ['new', '123']), approval)];
  const manifest = drafted(usual, { approved });
  assert.equal(manifest.entries.length, usual.length + 1);
  const approvedIds = new Set(approved.map((entry) => entry.id));
  for (const entry of manifest.entries)
    assert.equal(entry.provenance.kind, approvedIds.has(entry.id) ? 'approved' : 'learned');
});

test('a socket without an owner counts only where no owned one explains it', () => {
  const explained = drafted([inbound('/usr/sbin/nginx', '10.0.0.9', 80), inbound(null, '10.0.0.9', 80)]);
  assert.deepEqual(exesOf(explained), ['/usr/sbin/nginx']);
  const unexplained = drafted([inbound('/usr/sbin/nginx', '10.0.0.9', 80), inbound(null, '10.0.0.10', 80)]);
  assert.deepEqual(exesOf(unexplained), ['/usr/sbin/nginx', '?']);
});

function exesOf({ entries }: Manifest): readonly string[] {
  return entries.map(({ behaviour }) => behaviour.exe);
}

test('a difference is by what is allowed, not by why', () => {
  const before = drafted(usual.slice(0, 3));
  const after = drafted(usual.slice(1), { approved: [allowEntry(usual[1] ?? server, approval)] });
  const { added, removed, unchanged } = diffManifests(before, after);
  assert.deepEqual(
    [added, removed].map((entries) => entries.map(({ behaviour }) => behaviour.kind)),
    [['outbound'], ['process']],
  );
  assert.equal(unchanged, 2);
});

function withBehaviour(behaviour: Behaviour): Manifest {
  const entry: ManifestEntry = { id: behaviourId(behaviour), behaviour, provenance: approval };
  return drafted([server], { approved: [entry] });
}

const objectionable: readonly (readonly [Behaviour, RegExp])[] = [
  [{ kind: 'process', exe: '?', argv: ['x'], user: '0', parent: '/a' }, /any executable/],
  [
    { kind: 'process', exe: '/bin/sh', argv: ['sh', '<rest>'], user: '0', parent: '/a' },
    /^critical .*shell.*any argument/,
  ],
  [
    { kind: 'process', exe: '/usr/bin/python3', argv: ['python3', '-c', '<any>'], user: '0', parent: '/a' },
    /^critical .*interpreter/,
  ],
  [{ kind: 'process', exe: '/bin/dash', argv: ['sh'], user: '0', parent: '/a' }, /commands from its input/],
  [{ kind: 'process', exe: '/tmp/x', argv: ['x'], user: '0', parent: '/a' }, /everybody may write/],
  [{ kind: 'process', exe: '/memfd:x', argv: ['x'], user: '0', parent: '/a' }, /never was a file/],
  [{ kind: 'process', exe: '/opt/**', argv: ['x'], user: 'any', parent: '?' }, /any parent/],
  [{ kind: 'process', exe: '/opt/**', argv: ['x'], user: 'any', parent: '/a' }, /directory tree/],
  [{ kind: 'outbound', exe: '/usr/bin/x', proto: 'tcp', peer: '0.0.0.0/0', port: '443' }, /every address/],
  [{ kind: 'listen', exe: '/usr/bin/x', proto: 'tcp', port: 'any' }, /any port/],
  [{ kind: 'listen', exe: '/usr/bin/<bad>', proto: 'tcp', port: '1' }, /^critical .*cannot be read/],
];

test('a careful reader objects to what admits too much', () => {
  assert.deepEqual(checkManifest(withBehaviour({ kind: 'listen', exe: '/usr/bin/x', proto: 'tcp', port: '80' })), []);
  for (const [behaviour, says] of objectionable) {
    const notes = checkManifest(withBehaviour(behaviour)).map(({ severity, note }) => `${severity} ${note}`);
    assert.ok(
      notes.some((note) => says.test(note)),
      `${JSON.stringify(behaviour)}: ${notes.join(' | ')}`,
    );
  }
});

test('and to a manifest that is empty, badly watched or quick to kill', () => {
  const says = (manifest: Manifest, text: RegExp, coverage?: Parameters<typeof checkManifest>[1]): void => {
    const notes = checkManifest(manifest, coverage).map(({ note }) => note);
    assert.ok(
      notes.some((note) => text.test(note)),
      notes.join(' | '),
    );
  };
  const rule = { on: 'any', minSeverity: 'info', action: 'power-off', approval: 'automatic' } as const;
  says(drafted([]), /empty/);
  says(drafted([usual[1] ?? server]), /No process/);
  says(drafted(usual, { orders: [rule] }), /cannot be undone/);
  says(drafted(usual, { mode: 'protect' }), /no order is automatic/);
  says(drafted(usual), /ever watched/, []);
  const watched = { vm: 'name:web1', observedSeconds: 600, lossSeconds: 0, missed: 0 };
  says(drafted(usual), /10 min.*daily jobs/, [watched]);
  says(drafted(usual), /unseen, 4 events/, [{ ...watched, missed: 4 }]);
  const good = { ...watched, observedSeconds: 100_000 };
  assert.deepEqual(checkManifest(drafted(usual), [good]), []);
});

test('many objections of one kind are counted, not listed', () => {
  const activities = Array.from({ length: 40 }, (_, at) => process(`/tmp/x${at}a`, ['x']));
  const notes = checkManifest(drafted(activities));
  assert.equal(notes.length, 11);
  assert.match(notes.at(-1)?.note ?? '', /30 more/);
});
