// A guest that lies in every pointer: sweeps of memory made of random but plausible words must end, stay within their
// limits and never throw. Whatever is seen is well-formed, and what is missing is noted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, boolean, constantFrom, integer, property, record } from 'fast-check';
import { hostileChoices, hostileMemory, hostileSpace } from '../../sim/hostile-guest.ts';
import { Sweeper } from './sweeper.ts';

const hostileGuests = record({
  seed: integer(),
  pointers: constantFrom(...hostileChoices.pointers),
  places: constantFrom(...hostileChoices.places),
  small: boolean(),
});

test('a sweep of lies ends in time, throws nothing and says what it could not see', () => {
  let busy = 0;
  holds(
    property(hostileGuests, (guest) => {
      const clock = { now: () => 1_700_000_000_000, monotonic: () => performance.now() };
      const sweeper = new Sweeper(hostileSpace(hostileMemory(guest), guest.seed), clock);
      sweeper.identity();
      sweeper.activity();
      sweeper.modules();
      for (const options of [{}, { threads: true }, { light: true }]) {
        const began = performance.now();
        const result = sweeper.take(options);
        assert.ok(performance.now() - began < 20_000, 'a sweep took more than 20 s');
        if (result.tasks.length + result.sockets.length > 0) busy += 1;
        for (const task of result.tasks) {
          assert.ok(Number.isSafeInteger(task.pid) && task.comm.length <= 16 && !task.comm.includes('\0'));
          assert.ok((task.exe?.length ?? 0) < 8192 && (task.argv?.length ?? 0) <= 4096);
        }
        assert.ok(result.tasks.length <= 200_000 && result.sockets.length <= 400_000);
        assert.equal(
          result.complete,
          result.notes.every(({ kind }) => kind === 'transient'),
        );
      }
    }),
    { numRuns: 12, endOnFailure: true },
  );
  assert.ok(busy > 2, `only ${busy} sweeps found anything to look at: the lies are not good enough`);
});
