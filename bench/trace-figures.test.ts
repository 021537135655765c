// The trace bench reports what it promises; running it takes guests and minutes, so that is not done here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { traceFigureNames, traceReport, type TraceFigureName } from './trace-figures.ts';

const samples = Object.fromEntries(
  traceFigureNames.map((name, index) => [name, [index + 3, index + 1, index + 2]]),
) as Record<TraceFigureName, number[]>;

test('every promised figure is the median of its samples, and the slowdowns are its ratios', () => {
  const { name, figures, ratios } = traceReport({ ...samples, slowdown1cpu: [1, 1.2, 1.1] });
  assert.equal(name, 'trace');
  assert.deepEqual(Object.keys(figures), [
    'slowdown1cpu',
    'slowdownOfBareStops',
    'slowdownOfAllKinds',
    'slowdown2cpu',
    'handlerMsPerStop',
    'standsMsPerStop',
    'idleCpuPercent',
    'decisionMs',
    'pausedMs',
  ]);
  assert.deepEqual(ratios, { slowdown1cpu: 1.1, slowdownOfBareStops: 3, slowdownOfAllKinds: 4, slowdown2cpu: 5 });
});
