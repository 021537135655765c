// Rules that could never be carried out are refused when they are written, with the reason.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultOf, type Rule } from './rule.ts';

const rule: Rule = { on: 'any', minSeverity: 'serious', action: 'suspend', approval: 'automatic' };

const table: readonly (readonly [string, Partial<Rule>, RegExp | null])[] = [
  ['a plain rule', {}, null],
  ['several actions', { also: ['quarantine', 'snapshot'] }, null],
  ['a deadline for nobody', { deadlineMinutes: 5 }, /waits for nobody/],
  ['an answer for nobody', { unanswered: 'approve' }, /waits for nobody/],
  ['a deadline', { approval: 'approval', deadlineMinutes: 5, unanswered: 'approve', expiresMinutes: 5 }, null],
  ['an expiry that nobody keeps', { expiresMinutes: 5 }, /automatic suspend is not taken back by itself/],
  ['an expiry that a switch keeps', { action: 'block-flow', expiresMinutes: 5 }, null],
  ['one that takes a disk away', { approval: 'approval', also: ['re-image'] }, /only a person orders/],
  ['one that would have to know a snapshot', { approval: 'approval', also: ['revert'] }, /a person names/],
  ['one that waits inline', { action: 'block', approval: 'approval' }, /cannot wait for consent/],
  ['one that tries inline', { action: 'block', dryRun: true }, /cannot be tried without doing it/],
  ['one that is too late', { action: 'kill', on: 'inbound' }, /cannot answer inbound/],
];

for (const [title, change, expected] of table)
  test(`${title} is ${expected === null ? 'taken' : 'refused'}`, () => {
    const fault = faultOf({ ...rule, ...change });
    if (expected === null) assert.equal(fault, null);
    else assert.match(fault ?? '', expected);
  });
