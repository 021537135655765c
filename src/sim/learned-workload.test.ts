// The whole line of stages on a simulated tier: what was learned is never a deviation, not even on another day with other pids,
// dates and callers; every attacker is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../model/finding.ts';
import type { Manifest } from '../model/manifest.ts';
import type { Activity } from '../model/observation.ts';
import type { Profile } from '../model/profile.ts';
import type { RawEvent } from '../model/raw-event.ts';
import { assess } from '../stages/assess/assess.ts';
import { type CompiledManifest, compileManifest, detect } from '../stages/detect/detect.ts';
import { checkManifest } from '../stages/draft/check.ts';
import { draft } from '../stages/draft/draft.ts';
import { emptyProfile, learn } from '../stages/learn/learn.ts';
import { normalise } from '../stages/normalise/normalise.ts';
import { attackers } from './attackers.ts';
import { Random } from './random.ts';
import { once } from './seen.ts';
import { type Tier, dayOf, drawTier } from './workload.ts';

const seeds = Array.from({ length: 25 }, (_, at) => at + 1);
const context = { scope: 'shop', service: 'tier', mode: 'detect' } as const;

function activitiesOf(events: readonly RawEvent[]): Activity[] {
  return events.map((event) => {
    const result = normalise(event);
    assert.ok(result.ok && result.value.kind !== 'loss', result.ok ? '' : result.error.message);
    return result.value;
  });
}

function profileOf(tier: Tier, days: readonly (readonly Activity[])[]): Profile {
  let profile = emptyProfile(context.scope, context.service);
  for (const day of days)
    for (const vm of tier.members) profile = learn(profile, vm, day.filter((activity) => activity.vm === vm).map(once));
  return profile;
}

function manifestOf(tier: Tier, profile: Profile): Manifest {
  const [vm] = tier.members;
  const issued = { generation: 1, issuedAt: '2026-11-22T00:00:00.000Z', approved: [], orders: [] };
  return draft({ profile, ...context, vm, vmName: vm, ...issued });
}

function compiled(manifest: Manifest): CompiledManifest {
  const result = compileManifest(manifest);
  assert.ok(result.ok);
  return result.value;
}

function findingsOf(manifest: CompiledManifest, activities: readonly Activity[]): Finding[] {
  return activities.flatMap((activity) => {
    const deviation = detect(manifest, activity);
    return deviation === null ? [] : [assess(deviation, context)];
  });
}

for (const seed of seeds) {
  test(`seed ${seed}: what was learned, and the next day, is quiet; attackers are not`, () => {
    const random = new Random(seed);
    const tier = drawTier(random);
    const days = [1, 2, 3].map(() => activitiesOf(dayOf(tier, random)));
    const manifest = manifestOf(tier, profileOf(tier, days));
    const asked = compiled(manifest);
    for (const day of days) assert.deepEqual(findingsOf(asked, day), []);
    assert.deepEqual(findingsOf(asked, activitiesOf(dayOf(tier, random))), []);
    for (const attacker of attackers) {
      const found = findingsOf(asked, activitiesOf(attacker.strike(tier, random)));
      const worst = Math.max(0, ...found.map((finding) => finding.risk));
      assert.ok(worst >= 20, `${attacker.name}: risk ${worst}`);
    }
    assert.deepEqual(
      checkManifest(manifest).filter(({ severity }) => severity === 'critical'),
      [],
    );
  });
}

test('the profile does not depend on the order or the batches of what was seen', () => {
  for (const seed of seeds.slice(0, 8)) {
    const random = new Random(seed);
    const tier = drawTier(random);
    const day = activitiesOf([1, 2, 3].flatMap(() => dayOf(tier, random)));
    let shuffled = emptyProfile(context.scope, context.service);
    for (const activity of random.shuffle(day)) shuffled = learn(shuffled, activity.vm, [once(activity)]);
    assert.deepEqual(shuffled, profileOf(tier, [day]));
  }
});
