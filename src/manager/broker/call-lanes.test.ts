// Receivers that hang on more VMs than are worked on at once: an order to suspend one of them goes through at once.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from '../../client/connect.ts';
import { at, findingOf, observed, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { must, startTrial, until } from '../trial.ts';

test('calls that hang take no place from what protects, on their own VM or on another', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-lanes-'));
  const secretFile = join(directory, 'secret');
  writeFileSync(secretFile, 'k'.repeat(32), { mode: 0o600 });
  let waiting = 0;
  const server = createServer(() => void (waiting += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const trial = await startTrial({ calls: { hook: { webhook: { url, secretFile, timeoutMs: 60_000 } } } });
  try {
    const client = connect({ ...trial.manager, by: 'ann' });
    const sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
    trial.manager.attachSentinel(sentinel);
    const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
    must(await trial.manager.end.deliver(sentinel.batch({ vms: numbers.map((n) => runningVm(n, `web${n}`)) })));
    const rule = { on: 'any', minSeverity: 'info', action: 'alert', approval: 'automatic', calls: ['hook'] } as const;
    // More plans wait for a person than VMs are worked on at once; they are no work.
    const asking = { on: 'any', minSeverity: 'info', action: 'suspend', approval: 'approval' } as const;
    const rules = [{ ...rule, calls: [...rule.calls] }, asking];
    const service = { name: 'web', members: numbers.map((n) => `web${n}`), rules };
    must(await client.apply({ declaration: { scopes: [{ name: 'shop', services: [service] }] } }));
    const items = [observed(started(vmId(1), '/usr/bin/ls', ['ls']))];
    const coverage = [{ vm: vmId(1), observedSeconds: 100, lossSeconds: 0, missed: 0 }];
    must(await trial.manager.end.deliver(sentinel.batch({ observed: [{ vm: vmId(1), items }], coverage })));
    must(await client.setMode({ scope: 'shop', mode: 'protect', force: true }));
    const findings = numbers.map((n) => findingOf(started(vmId(n), '/tmp/x', ['x']), 'g'));
    must(await trial.manager.end.deliver(sentinel.batch({ findings })));
    await until('as many calls hang as are made at once', () => waiting === 16);
    for (const vm of ['web1', 'web20']) {
      const [alarm] = must(await client.listAlarms({ vm, status: 'open' })).items;
      const began = performance.now();
      const said = must(await client.respondToAlarm({ alarm: alarm?.id ?? '', action: 'suspend' }));
      assert.equal(said.state, 'done');
      assert.ok(performance.now() - began < 10_000, 'it was held up');
    }
    assert.equal(waiting, 16);
  } finally {
    await trial.end();
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
