// Times of a trace: fine, never going back by themselves, and those of the host's clock when that is set.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sighting } from './hook.ts';
import type { TraceLine } from './trace-event.ts';
import { TraceJournal } from './trace-journal.ts';

const event = { kind: 'exec' } as Sighting['event'];

test('times never go back, though the host tells whole milliseconds only', () => {
  let atMs = 1000.9;
  let setMs = 0;
  const lines: TraceLine[] = [];
  const clock = { now: () => Math.floor(1_700_000_000_000 + atMs + setMs), monotonic: () => atMs };
  const journal = new TraceJournal(clock, (line) => lines.push(line));
  for (; atMs < 3000; atMs += 10.37) {
    journal.tell(event, atMs - 0.05, null);
    journal.anchor();
    journal.tell(event, atMs, null);
  }
  const times = lines.map(({ ts }) => ts);
  assert.ok(times.length > 300);
  assert.deepEqual(times, times.toSorted());
  setMs = 3_600_000;
  journal.anchor();
  journal.tell(event, atMs, null);
  assert.equal(Date.parse(lines.at(-1)?.ts ?? '') - Date.parse(lines.at(-2)?.ts ?? ''), 3_600_011);
});
