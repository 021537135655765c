// Tables line up, fit the terminal, and never let a cell break out of its line.
import assert from 'node:assert/strict';
import { stripVTControlCharacters } from 'node:util';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { colouredPage, plainPage, wantsColour, type Page } from './page.ts';
import { table, type Column } from './table.ts';
import { columnsOf, cut } from './width.ts';

interface Row {
  readonly name: string;
  readonly count: number | null;
  readonly what: string;
}

const columns: readonly Column<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name, gives: true },
  { title: 'COUNT', cell: ({ count }) => count, align: 'right' },
  { title: 'WHAT', cell: ({ what }) => what, gives: true, style: () => 'bad' },
];

const rows: readonly Row[] = [
  { name: 'web1', count: 7, what: 'starts /bin/sh' },
  { name: '日本', count: null, what: '' },
  { name: 'evil\u001b[2J\n', count: 12_345, what: 'x' },
];

test('columns line up, unknown is a dash, and nothing follows the last cell', () => {
  assert.equal(
    table(columns, rows, plainPage),
    [
      'NAME           COUNT  WHAT',
      'web1               7  starts /bin/sh',
      '日本               -  -',
      'evil\\x1b[2J\\n  12345  x',
    ].join('\n'),
  );
});

test('on a narrow terminal the long columns give way and numbers stay whole', () => {
  const page: Page = { ...plainPage, width: 40 };
  const long = [{ name: 'a'.repeat(50), count: 5, what: 'b'.repeat(30) }];
  assert.equal(table(columns, long, page).split('\n')[1], 'aaaaaaaaaaaaaa…      5  bbbbbbbbbbbbbbb…');
});

test('no line is wider than the terminal, however narrow, whatever the cells hold', () => {
  const row = fc.record({
    name: fc.string({ unit: 'binary' }),
    count: fc.integer(),
    what: fc.string({ unit: 'grapheme' }),
  });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 10 }), fc.integer({ min: 8, max: 120 }), (rows, width) => {
      const lines = stripVTControlCharacters(table(columns, rows, colouredPage(width))).split('\n');
      assert.equal(lines.length, rows.length + 1);
      for (const line of lines) assert.ok(columnsOf(line) <= width, `${columnsOf(line)} > ${width}: ${line}`);
    }),
    { numRuns: 40 },
  );
});

test('a hundred thousand rows do not exhaust the stack', () => {
  const many = Array.from({ length: 100_000 }, (_, i) => ({ name: `vm${i}`, count: i, what: '' }));
  assert.equal(table(columns, many, plainPage).split('\n').length, 100_001);
});

const cuts: readonly (readonly [string, number, string])[] = [
  ['abc', 3, 'abc'],
  ['abcd', 3, 'ab…'],
  ['日本語', 6, '日本語'],
  ['日本語', 5, '日本…'],
  ['日本語', 4, '日…'],
  ['e\u0301e\u0301', 2, 'e\u0301e\u0301'],
  ['abc', 0, ''],
];

test('cutting counts columns, not letters', () => {
  for (const [text, width, expected] of cuts) assert.equal(cut(text, width), expected);
});

test('colour is for terminals and for people who did not refuse it', () => {
  assert.equal(wantsColour(true, {}), true);
  assert.equal(wantsColour(false, {}), false);
  assert.equal(wantsColour(true, { NO_COLOR: '1' }), false);
  assert.equal(wantsColour(true, { NO_COLOR: '' }), true);
  assert.equal(wantsColour(true, { TERM: 'dumb' }), false);
});
