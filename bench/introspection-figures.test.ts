// The introspection bench reports what it promises; running it takes guests and minutes, so that is not done here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figureNames, introspectionReport, type FigureName } from './introspection-figures.ts';

const samples = Object.fromEntries(
  figureNames.map((name, index) => [name, [index + 3, index + 1, index + 2]]),
) as Record<FigureName, number[]>;

test('every promised figure is the median of its samples, with its spread', () => {
  const { name, figures, machine } = introspectionReport(samples);
  assert.equal(name, 'introspection');
  assert.ok(machine.cores > 0);
  assert.deepEqual(Object.keys(figures), [
    'attachColdMs',
    'attachCachedMs',
    'sweepMs75',
    'sweepMs255',
    'sweepMs1055',
    'sweepLightMs1055',
    'plainReadMs1055',
    'rssMiB',
    'cpuPercentPerIdleVm',
  ]);
  assert.deepEqual(figures['attachCachedMs'], { value: 3, unit: 'ms', min: 2, max: 4, runs: 3 });
});

test('the ratio is that of the medians of one run', () => {
  const { ratios } = introspectionReport({ ...samples, sweepMs1055: [9, 10, 30], plainReadMs1055: [4, 4, 9] });
  assert.deepEqual(ratios, { sweepVsPlainRead: 2.5 });
});
