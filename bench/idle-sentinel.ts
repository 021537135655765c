// `idle-sentinel.ts STATE-DIRECTORY UUID...`: a sentinel that watches these guests and nothing else, for whoever measures the process.
// It tells its parent once each of them has a manifest and is looked into.
import { setTimeout as wait } from 'node:timers/promises';
import { silentLog } from '../src/kit/log.ts';
import type { Clock } from '../src/kit/clock.ts';
import { sayProblem } from '../src/kit/problem.ts';
import type { Result } from '../src/kit/result.ts';
import { startSentinel } from '../src/sentinel/main.ts';
import { guestsOf } from '../lab/guests-of.ts';
import { RecordingManager } from '../src/sim/recording-manager.ts';

const [stateDir = '', ...uuids] = process.argv.slice(2);
const patienceMs = 60_000;
const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
const guests = guestsOf(
  stateDir,
  uuids.map((uuid) => ({ uuid })),
);
const manager = new RecordingManager();
const sentinel = must(
  await startSentinel({
    name: 'bench',
    stateDir,
    trusted: manager.trusted,
    manager,
    clock,
    log: silentLog,
    source: guests,
  }),
);
for (const vm of uuids) {
  const sealed = manager.manifest({
    format: 'plumbline.manifest/1',
    vm,
    vmName: vm,
    scope: 'bench',
    service: 'idle',
    mode: 'capture',
    generation: 1,
    issuedAt: new Date().toISOString(),
    entries: [],
    orders: [],
  });
  must(await sentinel.end.install(sealed));
}
const deadline = performance.now() + patienceMs;
for (;;) {
  const unseen = sentinel.health().vms.filter(({ vm }) => vm.state !== 'running');
  if (unseen.length === 0 && sentinel.health().vms.length === uuids.length) break;
  if (performance.now() > deadline) {
    console.error(unseen.map(({ vm }) => `${vm.name}: ${vm.state}, ${vm.why}`).join('\n'));
    process.exit(1);
  }
  await wait(50);
}
process.send?.('watching');
process.once('disconnect', () => process.exit(0));

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sayProblem(result.error));
  return result.value;
}
