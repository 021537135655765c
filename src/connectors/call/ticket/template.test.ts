// Templates: what is filled in is always one JSON value; and where the key of a ticket lies in an answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, constantFrom, oneof, property, string } from 'fast-check';
import { counted, seed } from '../../../../lab/scale.ts';
import { factsWith, hostileTexts } from '../../../sim/simulated-call.ts';
import { fill, placeholdersIn } from './template.ts';
import { keyAt } from './ticket-caller.ts';

test('a text that is one placeholder becomes its value, within a longer text it becomes text', () => {
  const facts = factsWith('a shell');
  const template = {
    risk: '{{alarm.risk}}',
    nothing: '{{key}}',
    text: 'Risk {{ alarm.risk }} on {{vm.name}}: {{alarm.reasons}}; {{key}}',
    deep: [{ 'a{{vm.name}}': true, n: 1, no: null }],
  };
  assert.deepEqual(fill(template, facts, null), {
    risk: 91,
    nothing: null,
    text: 'Risk 91 on a shell: a shell; a shell was started by a server; none',
    deep: [{ 'a{{vm.name}}': true, n: 1, no: null }],
  });
});

test('no text of a guest changes the shape of the document, or is looked into for placeholders', () => {
  const template = { a: '{{alarm.title}}', b: ['before {{vm.name}} after'], c: '{{plan.why}} {{id}}' };
  holds(
    property(oneof(constantFrom(...hostileTexts), string({ unit: 'binary', maxLength: 300 })), (text) => {
      const filled = JSON.parse(JSON.stringify(fill(template, factsWith(text), null))) as Record<string, unknown>;
      assert.deepEqual(Object.keys(filled), ['a', 'b', 'c']);
      assert.equal(typeof filled['a'], 'string');
      assert.match(JSON.stringify(filled['b']), /^\["before .* after"\]$/s);
      assert.match(String(filled['c']), / step1$/);
      assert.doesNotMatch(JSON.stringify(filled), /\\n|\\r|\\u00|[\u202a-\u202e\u2066-\u2069]/);
    }),
    { numRuns: counted(300, 10_000), seed: seed() },
  );
});

test('unknown placeholders are found where they stand; the key is known only where a ticket is closed', () => {
  const found = placeholdersIn({ a: ['{{vm.name}} {{vm.nam}}'], b: '{{key}} {{__proto__}}' }, false);
  assert.deepEqual(
    found.map(({ name, path, isKnown }) => [name, path.join('.'), isKnown]),
    [
      ['vm.name', 'a.0', true],
      ['vm.nam', 'a.0', false],
      ['key', 'b', false],
      ['__proto__', 'b', false],
    ],
  );
  assert.ok(placeholdersIn('{{key}}', true)[0]?.isKnown);
});

const answers: readonly (readonly [string, string, string | null])[] = [
  ['{"key":"SEC-1"}', '/key', 'SEC-1'],
  ['{"result":{"sys_id":"abc"}}', '/result/sys_id', 'abc'],
  ['[{"id":17}]', '/0/id', '17'],
  ['{"a/b":{"~":"x"}}', '/a~1b/~0', 'x'],
  ['{"key":null}', '/key', null],
  ['{"key":{"a":1}}', '/key', null],
  ['{}', '/constructor/name', null],
  ['"text"', '/length', null],
  ['not JSON', '/key', null],
];
for (const [answer, pointer, key] of answers)
  test(`${pointer} in ${answer} is ${key}`, () => assert.equal(keyAt(answer, pointer), key));
