// What a trace may cost, and how it steps back and returns.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as holds, integer, property } from 'fast-check';
import { BudgetMeter } from './budget.ts';
import { Rest } from './rest.ts';

test('a meter says what a plain sum over the last second, in tenths, says', () => {
  const stop = array(integer({ min: 0, max: 400 }), { maxLength: 200 });
  holds(
    property(stop, integer({ min: 1, max: 30 }), (gaps, stopsPerSecondMax) => {
      const meter = new BudgetMeter({ stopsPerSecondMax, stolenMsPerSecondMax: 1e9 });
      const times: number[] = [];
      let atMs = 12_345;
      for (const gap of gaps) {
        atMs += gap;
        times.push(atMs);
        const tenth = Math.floor(atMs / 100);
        const inWindow = times.filter((time) => Math.floor(time / 100) > tenth - 10).length;
        assert.equal(meter.spend(atMs, 0), inWindow > stopsPerSecondMax);
      }
    }),
  );
});

test('time that was stolen counts as well, and is forgotten after a rest', () => {
  const meter = new BudgetMeter({ stopsPerSecondMax: 1e9, stolenMsPerSecondMax: 500 });
  assert.ok(!meter.spend(0, 300));
  assert.ok(meter.spend(100, 300));
  meter.clear();
  assert.ok(!meter.spend(200, 300));
});

test('a rest lasts longer each time the trace cannot keep up, is short again once it could, and waits for calm', () => {
  const rest = new Rest();
  const lengthAfter = (atMs: number, forksPerSecond = 0): number => {
    rest.begin(atMs);
    let over = atMs;
    while (!rest.isOver(over, forksPerSecond, 1_000) && over < atMs + 100_000) over += 100;
    rest.end(over);
    return over - atMs;
  };
  assert.equal(lengthAfter(0), 2_000);
  assert.equal(lengthAfter(3_000), 4_000);
  assert.equal(lengthAfter(8_000), 8_000);
  assert.equal(lengthAfter(17_000), 16_000);
  assert.equal(lengthAfter(34_000), 30_000, 'and never longer than this');
  assert.equal(lengthAfter(100_000), 2_000);
  assert.equal(lengthAfter(200_000, 10_000), 100_000, 'while the guest goes wild');
});
