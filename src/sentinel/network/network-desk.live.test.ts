// A real guest on a real switch: cut off from its peer and left to its management, on the word of the sentinel alone.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type BridgedPair, openBridgedPair } from '../../../lab/bridged-pair.ts';
import { runCommand } from '../../../lab/commands.ts';
import { silentLog } from '../../kit/log.ts';
import type { Quarantine } from '../../model/network-measure.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { openQmp } from '../../protocols/qmp/qmp-client.ts';
import { openDatabase } from '../database.ts';
import { MeasureMemory } from './measure-memory.ts';
import { NetworkDesk } from './network-desk.ts';
import { NetworkSwitches } from './network-switches.ts';
import { vmPorts } from './vm-ports.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const patience = { clock, sleep: (ms: number) => wait(ms) };

for (const kind of ['bridge', 'ovs'] as const)
  suite(`a guest in quarantine on ${kind === 'bridge' ? 'a Linux bridge' : 'Open vSwitch'}`, () => {
    let pair: BridgedPair;
    let monitor: Monitor;
    let desk: NetworkDesk;
    let vm = '';

    before(async () => {
      const opened = await openBridgedPair({ switch: kind, prefix: `network-${kind}-${process.pid}-` });
      assert.ok(opened.ok, opened.ok ? '' : opened.error.message);
      pair = opened.value;
      const { left } = pair.guests;
      const connected = await openQmp(left.qmpSocket);
      assert.ok(connected.ok);
      monitor = connected.value;
      vm = left.uuid;
      const directory = mkdtempSync(join(tmpdir(), 'plumbline-network-'));
      const database = openDatabase(join(directory, 'sentinel.db'));
      assert.ok(database.ok);
      const ovsDatabase = pair.ovsDatabase ?? '/nowhere';
      const switches = new NetworkSwitches({
        patience,
        evidence: directory,
        ovsDatabase,
        captured: () => undefined,
        lost: () => undefined,
      });
      const addresses = [pair.addresses.left];
      desk = new NetworkDesk({
        memory: new MeasureMemory(database.value),
        clock,
        log: silentLog,
        ports: () => vmPorts({ vm, pid: left.pid() ?? 0, monitor, addresses, ovsDatabase }),
        enforcer: (port) => switches.of(port),
        guard: (event) => assert.fail(event.detail),
      });
    });
    after(async () => {
      monitor?.close();
      await pair?.stop();
    });

    const heardByRight = async (): Promise<boolean> =>
      (await pair.guests.left.run(`ping -c 2 -W 1 ${pair.addresses.right}`)).code === 0;
    const heardByManagement = async (): Promise<boolean> =>
      (await runCommand(pair.inside(['busybox', 'ping', '-c', '2', '-W', '1', pair.addresses.left]))).ok;

    test('its peer is out of reach, its management is not, and lifting it gives everything back', async () => {
      assert.ok((await desk.abilities(vm)).every(({ available }) => available));
      assert.ok((await heardByRight()) && (await heardByManagement()));
      const measure: Quarantine = { kind: 'quarantine', management: [pair.addresses.gateway] };
      const applied = await desk.apply(vm, 'live', measure);
      assert.equal(applied.state, 'done', applied.evidence);
      assert.ok(!(await heardByRight()), 'the peer is out of reach');
      assert.ok(await heardByManagement(), 'management is not');

      const bridge = `unix:${dirname(pair.ovsDatabase ?? '')}/plb0.mgmt`;
      const foreign =
        kind === 'bridge'
          ? ['nft', 'delete', 'table', 'bridge', 'plumbline']
          : ['ovs-ofctl', 'del-flows', bridge, 'arp'];
      assert.ok((await runCommand(pair.inside(foreign))).ok);
      await desk.reconcile(new Set([vm]));
      assert.equal(desk.health().putBack, 1, 'somebody took it away');
      assert.ok(!(await heardByRight()) && (await heardByManagement()));

      const lifted = await desk.lift(vm, 'live');
      assert.equal(lifted.state, 'done', lifted.evidence);
      assert.ok((await heardByRight()) && (await heardByManagement()));
      await desk.reconcile(new Set([vm]));
      assert.deepEqual(desk.health(), { wanted: 0, putBack: 1, notPutBack: 0, stale: 0 });
    });
  });
