// Retiring entries makes a manifest narrower and nothing else, and what is learned anew comes back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Activity } from '../model/observation.ts';
import type { Profile } from '../model/profile.ts';
import { inbound, once, outbound, process } from './seen.ts';
import { Random } from './random.ts';
import { dayOf, drawTier } from './workload.ts';
import { normalise } from '../stages/normalise/normalise.ts';
import { emptyProfile, learn } from '../stages/learn/learn.ts';
import { draft } from '../stages/draft/draft.ts';

const issued = { scope: 'shop', service: 'web', vm: 'name:web1', vmName: 'web1', mode: 'detect', orders: [] } as const;
const later = '2027-01-01T00:00:00.000Z';

function draftOf(profile: Profile, retired: readonly string[], at = later) {
  return draft({
    profile,
    ...issued,
    generation: 1,
    issuedAt: later,
    approved: [],
    retired: retired.map((entry) => ({ entry, at })),
  });
}

function learned(activities: readonly Activity[]): Profile {
  return learn(emptyProfile('shop', 'web'), 'name:web1', activities.map(once));
}

const callsOut = Array.from({ length: 12 }, (_, at) => outbound('/usr/bin/curl', `${20 + at}.0.0.1`, 443));
const some = [
  process('/usr/bin/ls', ['ls']),
  ...callsOut,
  inbound(null, '10.0.0.7', 22),
  inbound('/usr/sbin/sshd', '10.0.0.7', 22),
];

test('every entry that is left stands as it stood, whichever are retired', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 2, max: 5 }), (seed, every) => {
      const random = new Random(seed);
      const day = dayOf(drawTier(random), random).map((event) => {
        const activity = normalise(event);
        assert.ok(activity.ok && activity.value.kind !== 'loss');
        return activity.value;
      });
      const profile = learned([...day, ...some]);
      const whole = draftOf(profile, []).entries;
      const retired = whole.filter((_, at) => at % every === 0).map(({ id }) => id);
      const expected = whole.filter(({ id, provenance }) => provenance.kind !== 'learned' || !retired.includes(id));
      assert.deepEqual(draftOf(profile, retired).entries, expected);
      assert.ok(expected.length < whole.length);
    }),
    { numRuns: 30 },
  );
});

test('the listener that explains unowned connections may be retired without admitting everybody', () => {
  const profile = learned(some);
  const sshd = draftOf(profile, []).entries.find(({ behaviour }) => behaviour.exe === '/usr/sbin/sshd');
  const left = draftOf(profile, [sshd?.id ?? '']).entries;
  assert.deepEqual(
    left.filter(({ behaviour }) => behaviour.exe === '?' || behaviour.exe === '/usr/sbin/sshd'),
    [],
  );
});

test('what is learned after it was retired is in the manifest again, under a wider name too', () => {
  const profile = learned(some);
  const curl = draftOf(profile, []).entries.find(({ behaviour }) => behaviour.exe === '/usr/bin/curl');
  assert.equal(curl?.behaviour.kind === 'outbound' ? curl.behaviour.peer : null, 'internet');
  const id = curl?.id ?? '';
  const has = (of: Profile): boolean => draftOf(of, [id]).entries.some((entry) => entry.id === id);
  assert.ok(!has(profile));
  const again = outbound('/usr/bin/curl', '99.0.0.1', 443, { at: '2027-02-01T00:00:00.000Z' });
  assert.ok(has(learn(profile, 'name:web1', [once(again)])));
});

test('an approval stays when the same entry was retired', () => {
  const profile = learned([process('/usr/bin/ls', ['ls'])]);
  const [ls] = draftOf(profile, []).entries;
  assert.ok(ls !== undefined);
  const approved = [{ ...ls, provenance: { kind: 'approved', by: 'alice', at: later } as const }];
  const retired = [{ entry: ls.id, at: later }];
  const { entries } = draft({ profile, ...issued, generation: 1, issuedAt: later, approved, retired });
  assert.deepEqual(entries, approved);
});
