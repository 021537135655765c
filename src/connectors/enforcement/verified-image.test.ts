// What a step has to say before a VM is put on another disk, and how what was read becomes an answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Step } from '../../model/remediation.ts';
import { changeImage, type ImageControl } from './verified-image.ts';

const asked: string[] = [];
const control: ImageControl = {
  obstacle: async () => null,
  undoObstacle: async () => null,
  replace: async (image, key) => {
    asked.push(`${image} ${key}`);
    if (image === '/lost') return fail(problem('interrupted', 'It may run.'));
    return image === '/bad' ? fail(problem('refused', 'No.')) : ok('on it');
  },
  restore: async (key) => {
    asked.push(`back ${key}`);
    return ok('back');
  },
};
const id = '0123456789abcdef0123456789abcdef';
const step: Step = { id, vm: 'name:web', action: 're-image', why: 'w', expect: '', undo: null, image: '/golden' };
const back: Step = { ...step, action: 'undo-re-image' };

const table: readonly (readonly [string, Step, string, string | null])[] = [
  ['an image', step, 'done', `/golden ${id.slice(0, 12)}`],
  ['another try of it', { ...step, id: 'f'.repeat(32), key: id }, 'done', `/golden ${id.slice(0, 12)}`],
  ['no image', { ...back, action: 're-image', image: undefined } as unknown as Step, 'failed', null],
  ['a name that is a path', { ...step, key: '../../../../etc' }, 'failed', null],
  ['a name that is too short', { ...step, id: 'step1' }, 'failed', null],
  ['an image that is refused', { ...step, image: '/bad' }, 'failed', `/bad ${id.slice(0, 12)}`],
  ['no answer', { ...step, image: '/lost' }, 'unconfirmed', `/lost ${id.slice(0, 12)}`],
  ['the way back of one', { ...back, lifts: id }, 'done', `back ${id.slice(0, 12)}`],
  ['the way back of whichever', back, 'done', 'back null'],
  ['the way back of a path', { ...back, lifts: '/../../../../' }, 'failed', null],
];

for (const [what, order, state, said] of table)
  test(`${what}: ${state}`, async () => {
    asked.length = 0;
    assert.equal((await changeImage(order, control)).state, state);
    assert.deepEqual(asked, said === null ? [] : [said]);
  });

test('where there is no libvirt it says so', async () => {
  assert.match((await changeImage(step, undefined)).evidence, /only libvirt keeps the definition/);
});
