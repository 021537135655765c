// Which way a snapshot is made is said beforehand and kept to, and what was read decides what is said of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Step } from '../../model/remediation.ts';
import { verifiedEnforcer, type VmControl } from './verified-action.ts';
import type { ExternalSnapshotControl } from './verified-snapshot.ts';

const clock = { now: () => 0, monotonic: () => 0 };
const raw = problem('refused', 'Disk vda is raw.', 'Convert it.');
const full = problem('refused', 'No room.', 'Make some.');
let asked: string[] = [];

function enforcer(within: typeof raw | null, external: Partial<ExternalSnapshotControl> | null) {
  asked = [];
  const told = async (what: string) => {
    asked.push(what);
    return ok(undefined);
  };
  const held: string[] = [];
  const control: VmControl = {
    suspend: () => told('suspend'),
    resume: () => told('resume'),
    powerOff: () => told('power-off'),
    snapshot: async (name) => {
      held.push(name);
      return await told(`within ${name}`);
    },
    readState: async () => ok({ run: 'paused', words: 'paused', snapshots: held }),
    snapshotObstacle: async () => within,
    ...(external === null
      ? {}
      : {
          externalSnapshot: {
            obstacle: async () => null,
            make: async (name: string) => {
              asked.push(`outside ${name}`);
              return ok('its memory is /e/x');
            },
            names: async () => {
              asked.push('names');
              return ['plumbline-old'];
            },
            ...external,
          },
        }),
  };
  return verifiedEnforcer(control, { clock, sleep: async () => undefined });
}

const step: Step = {
  id: 's',
  vm: 'name:web',
  action: 'snapshot',
  why: 'w',
  expect: '',
  undo: null,
  snapshot: 'plumbline-new',
};
const lost = async () => fail(problem('interrupted', 'It may be there.'));
const refused = async () => fail(problem('failed', 'Not made.'));

const table: readonly (readonly [
  string,
  typeof raw | null,
  Partial<ExternalSnapshotControl> | null,
  string,
  RegExp,
])[] = [
  ['within the disks, where they can hold it', null, {}, 'done', /plumbline-new/],
  ['within the disks, where there is no other way', null, null, 'done', /plumbline-new/],
  ['outside, where they cannot', raw, {}, 'done', /its memory is/],
  ['nowhere, where there is no other way', raw, null, 'failed', /Disk vda is raw. Convert it/],
  [
    'nowhere, when that is barred too',
    raw,
    { obstacle: async () => full },
    'failed',
    /raw. Nor can .* No room. Make some/,
  ],
  ['and may be there', raw, { make: lost }, 'unconfirmed', /may be there/],
  ['and was not made', raw, { make: refused }, 'failed', /Not made/],
];

for (const [where, within, external, state, evidence] of table)
  test(`a snapshot is made ${where}: ${state}`, async () => {
    const one = enforcer(within, external);
    const offer = (await one.capabilities()).find(({ action }) => action === 'snapshot');
    assert.equal(offer?.available, state !== 'failed' || external?.make !== undefined);
    assert.equal(/external|Nor/.test(offer?.why ?? ''), within !== null && external !== null);
    const outcome = await one.act(step);
    assert.equal(outcome.state, state, outcome.evidence);
    assert.match(outcome.evidence, evidence);
    assert.equal(asked.includes('within plumbline-new'), within === null);
    assert.equal(
      asked.includes('outside plumbline-new'),
      within !== null && external !== null && Object.keys(external).length === 0,
    );
  });

test('one that is there already, outside, is not made again; and who is to be stopped waits for none', async () => {
  const one = enforcer(raw, {});
  assert.match((await one.act({ ...step, snapshot: 'plumbline-old' })).evidence, /already so/);
  const reading = await one.readState();
  assert.ok(reading.ok);
  assert.deepEqual(reading.value.snapshots, ['plumbline-old']);
  asked = [];
  await one.act({ ...step, action: 'suspend' });
  assert.deepEqual(asked, []);
});
