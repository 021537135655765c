// The arranged manifest against the plain one: whatever the entries and whatever is asked, the answer is that of trying every entry.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { counted } from '../../../lab/scale.ts';
import { canonicalJson } from '../../kit/canonical-json.ts';
import type { Behaviour } from '../../model/behaviour.ts';
import type { ManifestEntry } from '../../model/manifest.ts';
import type { Activity } from '../../model/observation.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { type BehaviourPattern, admits, parseBehaviour } from '../../pattern/behaviour-pattern.ts';
import { isHelper } from '../../pattern/front-ends.ts';
import { knownProgram } from '../../pattern/program.ts';
import { imageOf, inbound, listen, outbound, process } from '../../sim/seen.ts';
import { decide, deviates } from './decision.ts';
import { DecisionMemory } from './decision-memory.ts';
import { type EntryIndex, indexEntries } from './entry-index.ts';

const helps = -2;

function patternOf(behaviour: Behaviour): BehaviourPattern {
  const parsed = parseBehaviour(behaviour);
  return parsed.ok ? parsed.value : assert.fail(parsed.error.message);
}

function indexOf(behaviours: readonly Behaviour[]): EntryIndex {
  const provenance = { kind: 'learned', at: '2026-11-21T00:00:00.000Z' } as const;
  const entries: ManifestEntry[] = behaviours.map((behaviour, at) => ({ id: String(at), behaviour, provenance }));
  const index = indexEntries(entries);
  return index.ok ? index.value : assert.fail(index.error.message);
}

/** One entry after the other: the activity's own behaviour, what names its executable or port, what takes several. */
function plainly(behaviours: readonly Behaviour[], activity: Activity): number {
  const own = canonicalJson(behaviourOf(activity));
  const same = behaviours.findLastIndex((each) => canonicalJson(each) === own);
  if (same !== -1) return same;
  const isOrphan =
    activity.kind === 'process' &&
    activity.ppid === 1 &&
    knownProgram(activity.image.exe, activity.image.argv) === null;
  const asked = isOrphan ? { ...activity, parent: null } : activity;
  const admitting = (wide: boolean): number =>
    behaviours.findIndex((each) => {
      const pattern = patternOf(each);
      return isWide(pattern, activity) === wide && admits(pattern, asked);
    });
  const first = admitting(false) === -1 ? admitting(true) : admitting(false);
  if (first !== -1) return first;
  return activity.kind === 'process' && isHelper(activity) ? helps : deviates;
}

function isWide(pattern: BehaviourPattern, activity: Activity): boolean {
  if (pattern.kind !== 'process') return pattern.port.low !== pattern.port.high;
  return activity.image?.exe !== null && (pattern.exe === '?' || pattern.exe.literal === null);
}

const pathPatterns = [
  '/usr/sbin/nginx',
  '/bin/sh',
  '?',
  '/opt/*/bin/run',
  '/opt/**',
  '/tmp/<tmp>/run',
  '/tmp/tmp.<random>',
  '/a<lt>b',
  '<question>',
  '/a<star>b',
  '*',
  '**/run',
  '/usr/sbin/adduser',
  '/usr/sbin/useradd',
];
const argumentPatterns = ['run', '--n=<number>', '<any>', '<number>', '-c', 'x<lt>y', 'v<hex>', '', '<tmp>'];
const networks = ['10.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '::1', '2001:DB8::/32', 'fe80::/10'];
const classes = ['internet', 'any', 'loopback', 'link-local'];
const path = fc.constantFrom(...pathPatterns);
const port = fc.constantFrom('80', '080', '53', '80-90', '1-100', '85-40000', 'ephemeral', 'any');
const proto = fc.constantFrom('tcp' as const, 'udp' as const);
const peer = fc.constantFrom(...networks, ...classes);
const behaviour: fc.Arbitrary<Behaviour> = fc.oneof(
  fc
    .record({
      exe: path,
      argv: fc.array(fc.constantFrom(...argumentPatterns), { maxLength: 3 }),
      rest: fc.boolean(),
      user: fc.constantFrom('0', '33', 'any'),
      parent: path,
    })
    .map(({ rest, argv, ...each }) => ({ kind: 'process' as const, argv: rest ? [...argv, '<rest>'] : argv, ...each })),
  fc.record({ exe: path, proto, peer, port }).map((each) => ({ kind: 'outbound' as const, ...each })),
  fc.record({ exe: path, proto, peer, port }).map((each) => ({ kind: 'inbound' as const, ...each })),
  fc.record({ exe: path, proto, port }).map((each) => ({ kind: 'listen' as const, ...each })),
);

const paths = [
  '/usr/sbin/nginx',
  '/bin/sh',
  '/opt/v1/bin/run',
  '/opt/a/b',
  '/tmp/tmp.5uCgKO6S70/run',
  '/tmp/tmp.5uCgKO6S70',
  '/a<b',
  '?',
  '/a*b',
  'run',
  '',
  '/usr/sbin/adduser',
  '/usr/sbin/useradd',
];
const exe = fc.option(fc.constantFrom(...paths), { freq: 3 });
const argument = fc.constantFrom(
  'run',
  '--n=17',
  '7',
  '-c',
  'x<y',
  'v5ab0c1d2',
  '',
  'tmp.5uCgKO6S70',
  '<number>',
  '<rest>',
);
const address = fc.constantFrom(
  '10.0.0.1',
  '10.9.9.9',
  '8.8.8.8',
  '127.0.0.9',
  '::1',
  '2001:db8::5',
  'fe80::1',
  '::ffff:10.0.0.1',
  '',
);
const number = fc.constantFrom(53, 80, 85, 443, 40_000, 65_535);
const activity: fc.Arbitrary<Activity> = fc.oneof(
  fc
    .record({ exe, argv: fc.array(argument, { maxLength: 3 }), parent: exe, uid: fc.constantFrom(0, 33, -1, null) })
    .chain(({ exe: own, argv, parent, uid }) =>
      fc
        .record({ ppid: fc.constantFrom(1, 50, null), alreadyRunning: fc.boolean() })
        .map((rest) => process(own, argv, parent, { ...rest, image: imageOf(own, argv, uid) })),
    ),
  fc.tuple(exe, address, number, proto).map(([own, to, at, by]) => outbound(own, to, at, { proto: by })),
  fc.tuple(exe, address, number, proto).map(([own, from, at, by]) => inbound(own, from, at, { proto: by })),
  fc.tuple(exe, number, proto).map(([own, at, by]) => listen(own, at, { proto: by })),
);

test('the arranged manifest decides as trying every entry would', () => {
  let allowed = 0;
  fc.assert(
    fc.property(fc.array(behaviour, { maxLength: 12 }), fc.array(activity, { maxLength: 8 }), (behaviours, asked) => {
      const some = [...behaviours, ...asked.slice(0, 2).map(behaviourOf)];
      const index = indexOf(some);
      for (const each of asked) {
        const decision = decide(index, each);
        assert.equal(decision, plainly(some, each), JSON.stringify([some, each]));
        if (decision !== deviates) allowed += 1;
      }
    }),
    { numRuns: counted(4000, 100_000) },
  );
  assert.ok(allowed > 0);
});

test('what is remembered is what would be decided, in whatever order it is asked', () => {
  fc.assert(
    fc.property(fc.array(behaviour, { maxLength: 8 }), fc.array(activity, { maxLength: 30 }), (behaviours, asked) => {
      const index = indexOf(behaviours);
      const memory = new DecisionMemory(index);
      for (const each of [...asked, ...asked.toReversed()]) {
        assert.equal(memory.decide(memory.numberOf(each), each), decide(index, each), JSON.stringify(each));
      }
    }),
    { numRuns: counted(1500, 50_000) },
  );
});

test('a memory that is full begins anew, and numbers it gave before mean what they meant', () => {
  const known = process('/usr/bin/known', ['known']);
  const other = process('/usr/bin/other', ['other']);
  const memory = new DecisionMemory(indexOf([behaviourOf(known)]));
  const early = memory.numberOf(known);
  const late = memory.numberOf(other);
  for (let at = 0; at < 40_000; at += 1) memory.numberOf(process('/usr/bin/x', ['x', `v${at}z`]));
  assert.ok(memory.forgotten > 16_000 && memory.forgotten < 40_002);
  assert.equal(memory.decide(early, known), 0);
  assert.equal(memory.decide(late, other), deviates);
  assert.notEqual(memory.numberOf(known), early);
  assert.equal(memory.decide(memory.numberOf(known), known), 0);
});

test('an endless argument is decided and not remembered', () => {
  const long = process('/usr/bin/x', ['x', 'a'.repeat(60_000)]);
  const memory = new DecisionMemory(indexOf([behaviourOf(long)]));
  assert.equal(memory.decide(memory.numberOf(long), long), 0);
  assert.equal(memory.numberOf(long), memory.numberOf(process('/usr/bin/x', ['x', 'b'.repeat(60_000)])));
  const differs = process('/usr/bin/x', ['x', `${'a'.repeat(59_999)}b`]);
  assert.equal(memory.decide(memory.numberOf(differs), differs), deviates);
});
