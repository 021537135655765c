// The local door of a running sentinel: who may open it, what it answers, and that the host-local verbs go through it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { silentLog } from '../../kit/log.ts';
import { RecordingManager } from '../../sim/recording-manager.ts';
import { SimulatedHost } from '../../sim/simulated-host.ts';
import { askDoor } from './ask-door.ts';
import { listVms, ps } from '../local/local-views.ts';
import { type Sentinel, startSentinel } from '../main.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const uuid = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`;

suite('local door', () => {
  let dir = '';
  let sentinel: Sentinel | null = null;
  const host = new SimulatedHost(clock, (ms) => wait(ms));
  const manager = new RecordingManager();
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'plumbline-d-'));
  });
  afterEach(async () => {
    await sentinel?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  test('the local door answers its owner, reads only, and host-local verbs use it', async () => {
    const guest = host.add('web', uuid(1));
    host.add('web', uuid(2));
    host.add('database', null);
    guest.spawn({ exe: '/bin/x', argv: ['x'] });
    const started = await startSentinel({
      name: 'host',
      stateDir: dir,
      trusted: manager.trusted,
      manager,
      clock,
      log: silentLog,
      source: host,
    });
    assert.ok(started.ok);
    sentinel = started.value;
    while (sentinel.health().vms.filter((it) => it.vm.state === 'running').length < 3) await wait(10);
    const socketPath = join(dir, 'sentinel.sock');
    assert.equal(statSync(socketPath).mode % 0o1000, 0o600);
    const vms = await listVms({ stateDir: dir, clock });
    assert.ok(vms.ok && vms.value.length === 3);
    const seen = await ps(uuid(1), { stateDir: dir, clock });
    assert.ok(seen.ok);
    assert.deepEqual(
      seen.value.tasks.map((task) => task.exe),
      ['/sbin/init', '/bin/x'],
    );
    assert.deepEqual(Object.keys(seen.value), [
      'vm',
      'kernel',
      'buildId',
      'bootedAt',
      'sweepMs',
      'attachMs',
      'complete',
      'notes',
      'tasks',
    ]);
    for (const [reference, words] of [
      ['databse', /There is no VM databse.*/],
      ['web', /web fits 2 VMs/],
      ['../health', /There is no VM/],
    ] as const) {
      const answer = await ps(reference, { stateDir: dir, clock });
      assert.ok(!answer.ok && answer.error.kind === 'not-found');
      assert.match(answer.error.message, words);
    }
    const near = await ps('databse', { stateDir: dir, clock });
    assert.ok(!near.ok && /Near it: database/.test(near.error.mend ?? ''));
    assert.equal(await status(socketPath, 'POST', '/vms'), 400);
    assert.equal(await status(socketPath, 'GET', '/nothing'), 404);
    assert.equal(await askDoor(join(dir, 'no.sock'), '/vms'), null);
  });
});

function status(socketPath: string, method: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ socketPath, method, path }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}
