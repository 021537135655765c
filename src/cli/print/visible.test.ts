// A guest chooses the names and arguments of its processes; none of them may touch the terminal of whoever looks.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { visible, visibleArgv, visibleJson } from './visible.ts';

const hostile: readonly (readonly [string, string])[] = [
  ['plain /usr/bin/web-1', 'plain /usr/bin/web-1'],
  ['grüße 日本 ✓', 'grüße 日本 ✓'],
  ['\u001b[2Jgone', '\\x1b[2Jgone'],
  ['\u001b]0;title\u0007', '\\x1b]0;title\\x07'],
  ['\u009b31m', '\\x9b31m'],
  ['a\nb\r\tc\0', 'a\\nb\\r\\tc\\x00'],
  ['safe\u202egnp.exe', 'safe\\u202egnp.exe'],
  ['no\u200bthing', 'no\\u200bthing'],
  ['\u2028', '\\u2028'],
  ['lone \ud800 half', 'lone \\ud800 half'],
  ['tag \u{e0041}', 'tag \\u{e0041}'],
];

test('what moves the cursor, changes colours or hides is written out', () => {
  for (const [text, expected] of hostile) assert.equal(visible(text), expected);
});

test('whatever a guest writes comes out as one line without control characters, twice as once', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const safe = visible(text);
      assert.doesNotMatch(safe, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      assert.equal(visible(safe), safe);
    }),
  );
});

test('JSON stays JSON and carries nothing a terminal acts upon', () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ stringUnit: 'binary' }),
      fc.constantFrom('\u009b1m', '\u202e', '\u{e0041}'),
      (value, mark) => {
        const text = visibleJson({ value, mark });
        assert.doesNotMatch(text, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify({ value, mark })));
      },
    ),
  );
});

const argvs: readonly (readonly [readonly string[], string])[] = [
  [['nginx', '-g', 'daemon off;'], 'nginx -g "daemon off;"'],
  [['sh', '-c', 'echo "hi" \\ there'], 'sh -c "echo \\"hi\\" \\\\ there"'],
  [['', 'a'], '"" a'],
  [['x\u001b[0m'], 'x\\x1b[0m'],
  [[], ''],
];

test('words of an argument vector stay apart', () => {
  for (const [argv, expected] of argvs) assert.equal(visibleArgv(argv), expected);
});
