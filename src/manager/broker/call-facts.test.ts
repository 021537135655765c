// The schema of what calls are told stands in a file of its own, for those who are called.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { CallFacts } from '../../model/call-facts.ts';
import { findFaults } from '../../model/shape-faults.ts';

test('api/call-facts.schema.json is the schema (UPDATE=1 rewrites it)', () => {
  const file = new URL('../../../api/call-facts.schema.json', import.meta.url);
  const text = `${JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'What a Plumbline call is told', ...CallFacts }, null, 2)}\n`;
  if (process.env['UPDATE'] === '1') writeFileSync(file, text);
  assert.equal(readFileSync(file, 'utf8'), text);
});

test('the example of the document is what the schema says', () => {
  const document = readFileSync(new URL('../../../docs/calls.md', import.meta.url), 'utf8');
  const example = /```json\n(.*?)```/s.exec(document)?.[1] ?? assert.fail('docs/calls.md shows no facts');
  assert.deepEqual(findFaults(CallFacts, JSON.parse(example)), []);
});
