// A sentinel that watches flows on real guests of a bridge: what is under way is seen outside, and a guest under load that hides
// nothing raises nothing.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type BridgedPair, openBridgedPair, trafficInGuest } from '../../../lab/bridged-pair.ts';
import { guestsOf } from '../../../lab/guests-of.ts';
import { silentLog } from '../../kit/log.ts';
import { ok } from '../../kit/result.ts';
import type { Manifest } from '../../model/manifest.ts';
import { RecordingManager } from '../../sim/recording-manager.ts';
import { startSentinel, type Sentinel } from '../main.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

suite('a sentinel that watches flows', { timeout: 180_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-fd-'));
  let pair: BridgedPair;
  let manager: RecordingManager;
  let sentinel: Sentinel;

  before(async () => {
    const opened = await openBridgedPair({ switch: 'bridge', prefix: `fd-${process.pid}-` });
    assert.ok(opened.ok, opened.ok ? '' : opened.error.message);
    pair = opened.value;
    manager = new RecordingManager();
    const { trusted } = manager;
    const base = {
      name: 'host',
      stateDir: dir,
      trusted,
      manager,
      clock,
      log: silentLog,
      source: guestsOf(dir, Object.values(pair.guests)),
    };
    const started = await startSentinel({ ...base, flows: true });
    assert.ok(started.ok, started.ok ? '' : started.error.message);
    sentinel = started.value;
  });
  after(async () => {
    await sentinel?.close();
    await pair?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('sees what its VMs say, and finds nothing hidden in those that hide nothing', async () => {
    const { left, right } = pair.guests;
    for (const [i, guest] of [left, right].entries()) {
      const at = new Date().toISOString();
      const manifest: Manifest = {
        format: 'plumbline.manifest/1',
        vm: guest.uuid,
        vmName: guest.name,
        scope: 'shop',
        service: 'web',
        mode: 'capture',
        generation: i + 1,
        issuedAt: at,
        entries: [],
        orders: [],
      };
      assert.deepEqual(await sentinel.end.install(manager.manifest(manifest)), ok(i + 1));
    }
    await wait(9000);
    await right.run(`${trafficInGuest} serve 7001 </dev/null >/dev/null 2>&1 &`);
    await left.run(`${trafficInGuest} talk ${pair.addresses.right} 7001 60 100 </dev/null >/dev/null 2>&1 &`);
    await left.run(`${trafficInGuest} tcp ${pair.addresses.right} 7001 40 5000`);
    await wait(5000);
    const { flows } = sentinel.health();
    assert.ok(flows !== null);
    assert.equal(flows.outside.coverage.length, 2, JSON.stringify(flows.outside));
    assert.deepEqual(flows.outside.problems, []);
    assert.ok(flows.outside.table.open > 0, JSON.stringify(flows.outside.table));
    assert.ok(flows.inside.looks > 0, JSON.stringify(flows.inside));
    assert.deepEqual(manager.told('guard'), []);
  });
});
