// The automaton against JavaScript's own regular expressions: the same answer on every text, and inclusion that is true.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  type Expression,
  accepts,
  automatonOf,
  char,
  choice,
  includes,
  literal,
  optional,
  repeated,
  sequence,
  times,
} from './automaton.ts';
import { anyChar, charSet } from './char-set.ts';

const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('a', 'b', 'ab', 'a-b').map((spec) => char(charSet(spec))),
    fc.array(tie('expression'), { maxLength: 3 }).map((parts) => sequence(...parts)),
    fc.array(tie('expression'), { minLength: 1, maxLength: 3 }).map((parts) => choice(...parts)),
    tie('expression').map(optional),
    tie('expression').map(repeated),
  ),
}));
const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 });

function regExpSource(node: Expression): string {
  switch (node.kind) {
    case 'char':
      return `[${node.set.map(({ low, high }) => `${String.fromCharCode(low)}-${String.fromCharCode(high)}`).join('')}]`;
    case 'sequence':
      return node.parts.map((part) => `(?:${regExpSource(part)})`).join('');
    case 'choice':
      return `(?:${node.parts.map(regExpSource).join('|')})`;
    case 'optional':
      return `(?:${regExpSource(node.of)})?`;
    case 'repeated':
      return `(?:${regExpSource(node.of)})+`;
  }
}

test('accepts what the same regular expression accepts', () => {
  fc.assert(
    fc.property(expression, text, (node, sample) => {
      assert.equal(accepts(automatonOf(node), sample), new RegExp(`^(?:${regExpSource(node)})$`).test(sample));
    }),
    { numRuns: 500 },
  );
});

test('inclusion is exactly that every text of the one is a text of the other', () => {
  const texts = ['', ...allTexts(5)];
  fc.assert(
    fc.property(expression, expression, (one, other) => {
      const wide = automatonOf(one);
      const narrow = automatonOf(other);
      const counterexample = texts.find((sample) => accepts(narrow, sample) && !accepts(wide, sample));
      if (includes(wide, narrow)) assert.equal(counterexample, undefined);
      assert.ok(includes(automatonOf(choice(one, other)), narrow));
    }),
    { numRuns: 300 },
  );
});

function allTexts(lengthMax: number): readonly string[] {
  if (lengthMax === 0) return [];
  const shorter = allTexts(lengthMax - 1);
  return ['a', 'b', 'c', ...shorter.flatMap((tail) => [`a${tail}`, `b${tail}`, `c${tail}`])];
}

test('inclusion is found where it holds and refused where it does not', () => {
  const digits = automatonOf(repeated(char(charSet('0-9'))));
  const four = automatonOf(times(char(charSet('0-9')), 4, 4));
  const hex = automatonOf(repeated(char(charSet('0-9a-f'))));
  const anything = automatonOf(optional(repeated(char(anyChar))));
  assert.ok(includes(digits, four) && includes(hex, digits) && includes(anything, hex));
  assert.ok(!includes(four, digits) && !includes(digits, hex) && !includes(hex, anything));
  assert.ok(!includes(automatonOf(literal('a')), automatonOf(optional(literal('a')))));
});

test('a long hostile text is matched in time linear in its length', () => {
  const any = optional(repeated(char(anyChar)));
  const nasty = automatonOf(sequence(any, literal('a'), any, literal('a'), any, literal('a'), any, literal('b')));
  const measure = (length: number): number => {
    const sample = 'a'.repeat(length);
    const start = performance.now();
    assert.equal(accepts(nasty, sample), false);
    return performance.now() - start;
  };
  measure(10_000);
  // Backtracking would take the fourth power: 10,000 times as long.
  assert.ok(measure(100_000) < 300 * Math.max(measure(10_000), 0.1));
});
