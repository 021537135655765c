// A guest that stands at a stop point of a trace at this moment is neither suspended nor surely running: it must end up suspended, and
// stay so.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../../../lab/guest.ts';
import { counted } from '../../../../lab/scale.ts';
import { sharedGuest } from '../../../../lab/shared-guests.ts';
import {
  endWork,
  openStub,
  Standstill,
  startTracer,
  startWork,
  statusOf,
  turnsOf,
  watchedAddress,
} from '../../../../lab/fragile-trace.ts';
import type { Step } from '../../../model/remediation.ts';
import { qemuEnforcer } from './qemu-enforcer.ts';

const rounds = counted(8, 200);
const clock = { now: () => Date.now(), monotonic: () => performance.now() };

suite('a guest that is traced', { timeout: counted(120_000, 900_000) }, () => {
  let guest: Guest;
  before(async () => {
    guest = await sharedGuest('6.1', { name: 'suspended' });
    await startWork(guest);
    await openStub(guest);
  });
  after(async () => {
    await guest?.qmp().hmp('gdbserver none');
    await endWork(guest);
  });

  test(`is suspended when it is said to be, and stays so, ${rounds} times`, async () => {
    const tracer = await startTracer(guest, await watchedAddress(guest), 5_000);
    const standstill = new Standstill(guest);
    const enforcer = qemuEnforcer({
      monitor: guest.qmp(),
      alive: () => true,
      pid: guest.pid() ?? 0,
      patience: { clock, sleep: (ms) => wait(ms) },
    });
    const step = (action: 'suspend' | 'resume'): Step => ({
      id: 'p1',
      vm: guest.uuid,
      action,
      why: 'a test',
      expect: 'it is so',
      undo: null,
    });
    for (let round = 0; round < rounds; round += 1) {
      await wait(Math.random() * 50);
      const { state, evidence } = await enforcer.act(step('suspend'));
      assert.equal(state, 'done', evidence);
      assert.equal(await statusOf(guest), 'paused', `round ${round}`);
      standstill.begin();
      const turns = turnsOf(guest);
      await wait(150);
      assert.deepEqual([await statusOf(guest), turnsOf(guest), standstill.stops], ['paused', turns, 0]);
      assert.equal((await enforcer.act(step('resume'))).state, 'done');
    }
    standstill.stop();
    tracer.tell({ do: 'detach' });
    await tracer.waitFor('detached');
  });
});
