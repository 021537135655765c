// Surprise as a code: what is allowed and what is new share one probability, and the rarer costs more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Manifest } from '../../model/manifest.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { outbound, process } from '../../sim/seen.ts';
import { type CompiledManifest, compileManifest, surprise } from './detect.ts';

const at = '2026-11-21T00:00:00.000Z';

function named(name: number) {
  return process(`/usr/bin/p${name}`, [`p${name}`]);
}

function compiled(counts: readonly number[]): CompiledManifest {
  const entries = counts.map((count, name) => {
    const behaviour = behaviourOf(named(name));
    return { id: behaviourId(behaviour), behaviour, provenance: { kind: 'learned', at, count } as const };
  });
  const manifest: Manifest = {
    format: 'plumbline.manifest/1',
    vm: 'name:web1',
    vmName: 'web1',
    scope: 'shop',
    service: 'web',
    mode: 'detect',
    generation: 1,
    issuedAt: at,
    entries,
    orders: [],
  };
  const result = compileManifest(manifest);
  assert.ok(result.ok);
  return result.value;
}

test('the probabilities of all that is known and of something new make one', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }), (counts) => {
      const manifest = compiled(counts);
      const known = counts.reduce((sum, _, name) => sum + 2 ** -surprise(manifest, named(name)), 0);
      assert.ok(known < 1, `${known}`);
      const order = counts.map((count, name) => ({ count, bits: surprise(manifest, named(name)) }));
      for (const a of order) for (const b of order) if (a.count > b.count) assert.ok(a.bits < b.bits);
    }),
    { numRuns: 60 },
  );
});

test('something new costs more than what was seen once, and less where new things are common', () => {
  const settled = compiled([100, 100, 100, 1]);
  const unsettled = compiled([100, 1, 1, 1]);
  assert.ok(surprise(settled, named(99)) > surprise(settled, named(3)));
  assert.ok(surprise(unsettled, named(99)) < surprise(settled, named(99)));
  // A kind of activity of which nothing was learned has no rate to differ from; that it is not allowed is said by detect.
  assert.equal(surprise(settled, outbound('/usr/bin/p1', '10.0.0.1', 80)), 0);
});
