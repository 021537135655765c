// Who does what: of those who could, and of those who began it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ability } from '../../model/plan.ts';
import type { Remediation, Step } from '../../model/remediation.ts';
import { at, vmId } from '../../sim/simulated-activity.ts';
import { attemptOf, measureStep, stepFor, undoStep } from '../../stages/respond/steps.ts';
import { begunBy } from './choose-carrier.ts';
import { mergeOffers, type Offer, offerFor } from './merge-offers.ts';

const can: Ability = { action: 'quarantine', available: true, why: null };
const cannot: Ability = { action: 'quarantine', available: false, why: 'no switch of ours' };

function offer(by: string, abilities: readonly Ability[] | null, rest: Partial<Offer> = {}): Offer {
  const platform = by === 'sentinel' ? null : by;
  return { by, platform, abilities, why: abilities === null ? 'away' : '', prices: {}, ...rest };
}

const dear = { prices: { quarantine: 'management too' } };
const cases: readonly (readonly [string, readonly Offer[], string | null, string | null])[] = [
  ['nobody', [], null, null],
  ['the sentinel alone', [offer('sentinel', [can])], 'sentinel', null],
  ['the sentinel before a platform', [offer('vc', [can]), offer('sentinel', [can])], 'sentinel', null],
  ['a platform, when the sentinel is away', [offer('sentinel', null), offer('vc', [can])], 'vc', 'sentinel: away'],
  [
    'a platform, when its host cannot',
    [offer('sentinel', [cannot]), offer('vc', [can])],
    'vc',
    'sentinel: no switch of ours',
  ],
  ['what costs others nothing', [offer('vc', [can], dear), offer('nsx', [can])], 'nsx', null],
  [
    'what costs others, when nobody else can',
    [offer('vc', [can], dear), offer('nsx', [cannot])],
    'vc',
    'nsx: no switch of ours; management too',
  ],
  ['the first of two alike', [offer('a', [can]), offer('b', [can])], 'a', null],
];
for (const [what, offers, by, why] of cases)
  test(`chosen: ${what}`, () => {
    assert.equal(offerFor(offers, 'quarantine')?.by ?? null, by);
    const merged = mergeOffers(offers)?.find(({ action }) => action === 'quarantine');
    if (by === null) assert.equal(merged, undefined);
    else assert.deepEqual(merged, { action: 'quarantine', available: true, why, by });
  });

test('when nobody can, every reason is given; when nobody can be asked, nothing is known', () => {
  const merged = mergeOffers([offer('sentinel', [cannot]), offer('vc', []), offer('nsx', null)]);
  const why = 'sentinel: no switch of ours; vc: offers nothing of the kind; nsx: away';
  assert.deepEqual(
    merged?.find(({ action }) => action === 'quarantine'),
    { action: 'quarantine', available: false, why },
  );
  assert.equal(mergeOffers([offer('sentinel', null), offer('vc', null)]), null);
});

const vm = vmId(1);
const quarantine = measureStep({ kind: 'quarantine', management: [] }, vm, 'w', 's');
const suspend = stepFor('suspend', vm, 'w', 's');
const done = (step: Step, platform?: string, state: Remediation['state'] = 'done'): Remediation => ({
  id: step.id,
  step,
  ...(platform === undefined ? {} : { platform }),
  origin: 'person',
  by: 'ann',
  alarm: null,
  group: null,
  state,
  evidence: '',
  startedAt: at(0),
  endedAt: null,
});
const lift = undoStep(quarantine, quarantine.id, 'w') ?? assert.fail();
const resume = undoStep(suspend, suspend.id, 'w') ?? assert.fail();

const began: readonly (readonly [string, Step, readonly Remediation[], string | null | undefined])[] = [
  ['nothing before', quarantine, [], undefined],
  ['asked for before', quarantine, [done(quarantine, 'vc', 'unconfirmed')], 'vc'],
  ['asked of the sentinel before', quarantine, [done(quarantine, undefined, 'unconfirmed')], null],
  ['an earlier attempt that may hold', attemptOf(quarantine, 2), [done(quarantine, 'vc', 'unconfirmed')], 'vc'],
  ['an earlier attempt that failed', attemptOf(quarantine, 2), [done(quarantine, 'vc', 'failed')], undefined],
  ['lifted where it was put', lift, [done(quarantine, 'vc')], 'vc'],
  [
    'lifted where a later attempt put it',
    lift,
    [done(attemptOf(quarantine, 2), 'nsx'), done(quarantine, 'vc', 'failed')],
    'nsx',
  ],
  ['lifted at the sentinel', lift, [done(quarantine)], null],
  ['resumed where it was suspended', resume, [done(suspend, 'vc')], 'vc'],
  ['suspended anew', stepFor('suspend', vm, 'w', 't'), [done(suspend, 'vc')], undefined],
];
for (const [what, step, before, platform] of began)
  test(`goes on: ${what}`, () => {
    const found = begunBy(step, before);
    assert.equal(found === undefined ? undefined : (found.platform ?? null), platform);
  });
