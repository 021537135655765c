// What is seen of several CPUs at several stops, told once each, though QEMU reports one CPU of a stop and the others late.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hook, Sighting } from './hook.ts';
import { StopLooker } from './stop-look.ts';
import type { GuestAtStop } from './stopped-guest.ts';

/** What each of the CPUs 1, 2, … is at, null = at nothing known; and which of them QEMU reports. */
interface Stop {
  readonly at: readonly (string | null)[];
  readonly reported: number;
  readonly told: readonly string[];
}

function tellAll(stops: readonly Stop[]): void {
  let at: readonly (string | null)[] = [];
  const hook: Hook = {
    name: 'any',
    points: [],
    recognise(_guest, { thread }) {
      const key = at[thread - 1] ?? null;
      return key === null ? null : { key, repeatable: true, event: {} as Sighting['event'] };
    },
  };
  const looker = new StopLooker([hook]);
  for (const stop of stops) {
    at = stop.at;
    const guest = { cpus: at.map((_, index) => ({ thread: index + 1 })) } as unknown as GuestAtStop;
    const { seen, unexplained } = looker.look(guest, { signal: 5, thread: stop.reported, atData: true });
    assert.deepEqual(
      seen.filter(({ isNew }) => isNew).map(({ sighting }) => sighting.key),
      stop.told,
    );
    assert.equal(unexplained, false);
  }
}

test('a CPU caught beside another is told once, whenever it is reported', () => {
  tellAll([
    { at: ['one', 'two'], reported: 1, told: ['one', 'two'] },
    { at: ['three', 'two'], reported: 1, told: ['three'] },
    { at: [null, 'two'], reported: 2, told: [] },
    { at: [null, 'two'], reported: 2, told: ['two'] },
  ]);
});

test('also when an interrupt comes between its being seen and its being reported', () => {
  tellAll([
    { at: ['one', 'two'], reported: 1, told: ['one', 'two'] },
    { at: ['three', null], reported: 1, told: ['three'] },
    { at: [null, 'two'], reported: 2, told: [] },
    { at: [null, 'two'], reported: 2, told: ['two'] },
  ]);
});
