// A guest that lies in every pointer: looks at its processes and hashes of its files must end in time, never throw, and stay within
// their limits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, asyncProperty, boolean, constantFrom, integer, property, record } from 'fast-check';
import { hostileChoices, hostileMemory, hostileSpace } from '../../../sim/hostile-guest.ts';
import { FileHasher } from '../../identity/file-hasher.ts';
import { identifyContents } from '../../identity/file-contents.ts';
import { heldFiles } from '../../identity/process-files.ts';
import { readTaskFacts, taskOffsets } from '../../guest/task-facts.ts';
import { factTextMax, findingsMax } from '../integrity-view.ts';
import { ProcessIntegrity } from './process-integrity.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

const hostileGuests = record({
  seed: integer(),
  pointers: constantFrom(...hostileChoices.pointers),
  places: constantFrom(...hostileChoices.places),
  small: boolean(),
});

test('looks at the processes of lies end, and tell no more than they may', () => {
  let told = 0;
  holds(
    property(hostileGuests, (guest) => {
      const processes = new ProcessIntegrity(hostileSpace(hostileMemory(guest), guest.seed), clock);
      for (let look = 0; look < 3; look += 1) {
        const began = performance.now();
        const checks = processes.checkProcesses();
        assert.ok(performance.now() - began < 30_000, 'a look took more than 30 s');
        for (const { findings, couldNotSee } of checks) {
          told += findings.length + couldNotSee.length;
          assert.ok(findings.length <= findingsMax);
          for (const fact of findings.flatMap(({ facts }) => Object.values(facts))) {
            assert.ok(typeof fact !== 'string' || fact.length <= factTextMax);
          }
        }
      }
    }),
    { numRuns: 12, endOnFailure: true },
  );
  assert.ok(told > 12, `only ${told} things were told of twelve lying guests`);
});

test('files of lies are hashed to an end', async () => {
  let tried = 0;
  await holds(
    asyncProperty(hostileGuests, async (guest) => {
      const space = hostileSpace(hostileMemory(guest), guest.seed);
      const hasher = new FileHasher(space, clock, null);
      const began = performance.now();
      await hasher.hash(1, 'executable', { timeMsMax: 500 });
      const offsets = taskOffsets(space.profile);
      for (let task = 4096; task < 40_960; task += 4096) {
        for (const { open } of heldFiles(space, readTaskFacts(space, offsets, task)).slice(0, 3)) {
          tried += 1;
          const limits = { sizeBytesMax: 2 ** 24, timeMsMax: 200, signal: null };
          const identity = await identifyContents({ space, file: open, path: '/', clock, openOnDisk: null }, limits);
          assert.ok(identity === null || identity.sha256 === null || identity.missingPages === 0);
        }
      }
      assert.ok(performance.now() - began < 30_000, 'hashing took more than 30 s');
    }),
    { numRuns: 12, endOnFailure: true },
  );
  assert.ok(tried > 10, `only ${tried} files were found to hash`);
});
