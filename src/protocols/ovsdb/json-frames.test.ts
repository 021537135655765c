// JSON texts are cut apart wherever the stream was cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { jsonFrames } from './json-frames.ts';

test('objects come out whole, however the stream was cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.string(), fc.jsonValue())),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (objects, cuts) => {
        const stream = objects.map((object) => JSON.stringify(object)).join('');
        const frames = jsonFrames(1_000_000);
        const out: string[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const size = cuts[turn % cuts.length] ?? 1;
          out.push(...(frames.take(stream.slice(at, at + size)) ?? []));
          at += size;
        }
        assert.deepEqual(
          out.map((text) => JSON.stringify(JSON.parse(text))),
          objects.map((object) => JSON.stringify(object)),
        );
      },
    ),
  );
});

test('a text that does not end, and a brace too many, end it', () => {
  const endless = jsonFrames(100);
  assert.deepEqual(endless.take(`{"a":"${'x'.repeat(90)}`), []);
  assert.equal(endless.take('x'.repeat(20)), null);
  assert.equal(jsonFrames(100).take('}'), null);
});
