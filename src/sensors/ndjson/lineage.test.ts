// Ancestors out of pids: through exits, reused pids and programs that replace one another.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawEvent } from '../../model/raw-event.ts';
import { Lineage } from './lineage.ts';

function start(pid: number, ppid: number, exe: string, parentExe?: string): RawEvent {
  return { host: 'a', kind: 'process_start', pid, ppid, exe, ...(parentExe === undefined ? {} : { parentExe }) };
}

function ancestors(...events: readonly RawEvent[]): readonly (readonly string[] | undefined)[] {
  const lineage = new Lineage();
  return events.map((event) => lineage.complete(event).ancestors);
}

test('ancestors are found as far as starts were recorded', () => {
  assert.deepEqual(ancestors(start(2, 1, 'cron', 'init'), start(3, 2, 'sh', 'cron'), start(4, 3, 'job')), [
    ['init'],
    ['cron', 'init'],
    ['sh', 'cron', 'init'],
  ]);
});

test('a process that runs another program descends from the one before', () => {
  assert.deepEqual(ancestors(start(2, 1, 'sh', 'init'), start(2, 1, 'real', 'sh'), start(3, 2, 'child', 'real')), [
    ['init'],
    ['sh', 'init'],
    ['real', 'sh', 'init'],
  ]);
});

test('a pid that has another process now lends no ancestors', () => {
  assert.deepEqual(
    ancestors(
      start(2, 1, 'sh', 'init'),
      { host: 'a', kind: 'process_exit', pid: 2 },
      start(3, 2, 'orphan', 'other'),
      start(4, 3, 'x', 'unlike'),
      { ...start(5, 3, 'y', 'orphan'), host: 'b' },
    ),
    [['init'], undefined, ['other'], ['unlike'], ['orphan']],
  );
});

test('what the sensor says stands', () => {
  assert.deepEqual(ancestors({ ...start(2, 1, 'x'), ancestors: ['p', 'q'] }), [['p', 'q']]);
});
