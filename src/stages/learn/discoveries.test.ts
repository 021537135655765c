// Stretches of work counted batch by batch: the same as Episodes counts activity by activity.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { discounts } from '../../kit/discovery-record.ts';
import { discover, noDiscoveries, type Discoveries } from './discoveries.ts';
import { Episodes } from './episodes.ts';

interface State {
  readonly discoveries: Discoveries;
  readonly drawn: Map<string, number>;
}

const nothing = (): State => ({ discoveries: noDiscoveries, drawn: new Map() });

function after({ discoveries, drawn }: State, batch: readonly (readonly [string, number])[]): State {
  const met = batch.map(([behaviour, count]) => ({ behaviour, count, drawnBefore: drawn.get(behaviour) ?? 0 }));
  const found = discover(discoveries, met);
  return { discoveries: found.discoveries, drawn: new Map([...drawn, ...found.drawn]) };
}

function sums({ runs }: Pick<Discoveries, 'runs'>) {
  const sum = (pick: (run: Discoveries['runs'][number]) => number) => runs.reduce((so, run) => so + pick(run), 0);
  return {
    taken: sum(({ taken }) => taken),
    drawn: sum(({ drawn }) => drawn),
    fresh: sum(({ fresh }) => fresh),
    again: discounts.map((_, at) => Math.round(sum(({ again }) => again[at] ?? 0) * 1e6)),
  };
}

test('told one by one it counts what Episodes counts', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30), { maxLength: 200 }), (names) => {
      const episodes = new Episodes();
      let state = nothing();
      for (const name of names) {
        episodes.take(`b${name}`);
        state = after(state, [[`b${name}`, 1]]);
      }
      assert.deepEqual(sums(state.discoveries), sums({ runs: episodes.runs() }));
    }),
  );
});

test('what is told in one batch counts as what is told one by one, when nothing repeats', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 0, max: 60 }), (length, before) => {
      const start = after(
        nothing(),
        Array.from({ length: before }, (_, i) => [`o${i}`, 1] as const),
      );
      const batch = Array.from({ length }, (_, i) => [`n${i}`, 1] as const);
      const apart = batch.reduce((so, met) => after(so, [met]), start);
      assert.deepEqual(after(start, batch), apart);
    }),
  );
});

test('a behaviour repeated through a batch is drawn in all its stretches, one seen once in one', () => {
  const { discoveries, drawn } = after(nothing(), [
    ['often', 74],
    ['once', 1],
  ]);
  assert.deepEqual(
    discoveries.runs.map((run) => [run.taken, run.drawn, run.fresh]),
    [
      [25, 1, 1],
      [25, 1, 0],
      [25, 2, 1],
    ],
  );
  assert.deepEqual(
    [...drawn],
    [
      ['often', 3],
      ['once', 1],
    ],
  );
});

test('it stays bounded, and loses nothing by it', () => {
  let state = nothing();
  for (let i = 0; i < 4000; i += 1) state = after(state, [[`b${i % 700}`, 10]]);
  assert.ok(state.discoveries.runs.length <= 64);
  const { taken, fresh } = sums(state.discoveries);
  assert.deepEqual([taken, state.discoveries.taken, fresh], [40_000, 40_000, 700]);
  assert.ok(state.discoveries.current.length <= 25);
  assert.equal(sums(after(nothing(), [['x', 1_000_000_000]]).discoveries).fresh, 1);
});
