// Bytes that are kept: told from others, had again, and never given out when they are not what was kept.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as fc from 'fast-check';
import { counted, seed } from '../../../../lab/scale.ts';
import { KeptBytes, sliceBytes, type KeptSlice } from './kept-bytes.ts';

const directory = mkdtempSync(join(tmpdir(), 'plumbline-kept-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function must(slice: KeptSlice | null): KeptSlice {
  assert.ok(slice !== null);
  return slice;
}

for (const [where, at] of [
  ['in a file', directory],
  ['in memory', null],
  ['in memory where no file can be made', join(directory, 'missing')],
] as const) {
  test(`what was kept ${where} is told from what is there now, and had again`, () => {
    const kept = new KeptBytes({ directory: at });
    const good = Buffer.from('push %rbp; mov %rsp, %rbp');
    const slice = must(kept.keep(good));
    assert.equal(
      kept.compare(slice, (into) => good.copy(into) > 0),
      'same',
    );
    assert.equal(
      kept.compare(slice, (into) => Buffer.from(good).fill(0xcc, 3, 4).copy(into) > 0),
      'changed',
    );
    assert.equal(
      kept.compare(slice, () => false),
      'unreadable',
    );
    good.fill(0);
    assert.equal(kept.bytes(slice)?.toString(), 'push %rbp; mov %rsp, %rbp');
    kept.close();
  });
}

test('the file has no name that anybody could open', () => {
  const kept = new KeptBytes({ directory });
  must(kept.keep(Buffer.from('code')));
  assert.deepEqual(readdirSync(directory), []);
  kept.close();
});

test('bytes that are not what was kept any more are not given out', () => {
  const kept = new KeptBytes({ directory });
  const slice = must(kept.keep(Buffer.from('code')));
  const other = must(kept.keep(Buffer.from('else')));
  assert.equal(kept.bytes({ ...slice, bytes: other.bytes }), null);
  kept.close();
  assert.equal(kept.bytes(slice), null);
});

test('more than the limit, or than a slice, is not kept', () => {
  const kept = new KeptBytes({ directory, bytesMax: 10 });
  const first = must(kept.keep(Buffer.alloc(6)));
  assert.equal(kept.keep(Buffer.alloc(6)), null);
  kept.drop(first);
  assert.ok(kept.keep(Buffer.alloc(6)) !== null);
  kept.close();
  const roomy = new KeptBytes({ directory });
  assert.equal(roomy.keep(Buffer.alloc(sliceBytes + 1)), null);
  roomy.close();
});

test('whatever is kept and dropped, in whatever order, what is still kept is as it was', () => {
  const action = fc.record({ drop: fc.boolean(), which: fc.nat(), length: fc.integer({ min: 1, max: 300 }) });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const kept = new KeptBytes({ directory });
      const held: { slice: KeptSlice; bytes: Buffer }[] = [];
      for (const [index, { drop, which, length }] of actions.entries()) {
        const [gone] = drop ? held.splice(which % Math.max(held.length, 1), 1) : [];
        if (gone !== undefined) kept.drop(gone.slice);
        const bytes = Buffer.alloc(length, index + 1);
        held.push({ slice: must(kept.keep(bytes)), bytes });
        for (const one of held) assert.deepEqual(kept.bytes(one.slice), one.bytes);
      }
      assert.equal(
        kept.sizeBytes,
        held.reduce((sum, { bytes }) => sum + bytes.length, 0),
      );
      for (const { slice } of held) kept.drop(slice);
      // All of it is one stretch of free room again: what is kept next lies at the beginning.
      assert.deepEqual(must(kept.keep(Buffer.from('next'))).bytes, { at: 0, length: 4 });
      kept.close();
    }),
    { numRuns: counted(100, 2000), seed: seed() },
  );
});
