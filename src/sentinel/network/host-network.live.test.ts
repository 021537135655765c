// A real guest on a real switch: cut off from its peer and left to its management, which may have forgotten it, on the word of the
// sentinel alone.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type BridgedPair, openBridgedPair } from '../../../lab/bridged-pair.ts';
import { runCommand } from '../../../lab/commands.ts';
import { labNetwork } from '../../../lab/gateway/protocol.ts';
import type { GuestHandle } from '../../introspection/hypervisor/guest-handle.ts';
import { findGuests } from '../../introspection/introspection.ts';
import { silentLog } from '../../kit/log.ts';
import type { Quarantine } from '../../model/network-measure.ts';
import type { Step } from '../../model/remediation.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { openQmp } from '../../protocols/qmp/qmp-client.ts';
import { type Database, openDatabase } from '../database.ts';
import { OwnAddresses } from '../watch/own-addresses.ts';
import { qemuSource } from '../watch/qemu-source.ts';
import type { VmWatch } from '../watch/vm-watch.ts';
import { HostNetwork } from './host-network.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

for (const kind of ['bridge', 'ovs'] as const)
  suite(`a guest in quarantine on ${kind === 'bridge' ? 'a Linux bridge' : 'Open vSwitch'}`, () => {
    let pair: BridgedPair;
    let monitor: Monitor;
    let database: Database;
    let network: HostNetwork;
    let watch: Pick<VmWatch, 'entry' | 'monitor' | 'enforcer'>;
    let vm = '';
    const own = new OwnAddresses();

    before(async () => {
      const opened = await openBridgedPair({ switch: kind, prefix: `network-${kind}-${process.pid}-` });
      assert.ok(opened.ok, opened.ok ? '' : opened.error.message);
      pair = opened.value;
      const { left } = pair.guests;
      const connected = await openQmp(left.qmpSocket);
      const directory = mkdtempSync(join(tmpdir(), 'plumbline-network-'));
      const file = openDatabase(join(directory, 'sentinel.db'));
      assert.ok(connected.ok && file.ok);
      monitor = connected.value;
      database = file.value;
      vm = left.uuid;
      watch = {
        entry: { id: vm, run: 'first', handle: handleOf(vm) },
        monitor: () => Promise.resolve(monitor),
        enforcer: () => Promise.resolve(null),
      };
      network = new HostNetwork({
        database,
        directory,
        evidence: { captured: () => undefined, captureLost: (id, why) => assert.fail(`${id}: ${why.message}`) },
        clock,
        log: silentLog,
        guard: (event) => assert.fail(event.detail),
        watch: () => watch,
        claims: () => own.list(),
        ovsDatabase: pair.ovsDatabase ?? '/nowhere',
      });
      network.reconcile([watch]);
    });
    after(async () => {
      await network?.close();
      database?.close();
      monitor?.close();
      await pair?.stop();
    });

    const step = (action: Step['action'], more: Partial<Step>): Step => ({
      id: 'live',
      vm,
      action,
      why: 'a test',
      expect: 'in force',
      undo: null,
      ...more,
    });
    /** What its sockets have, as a sentinel's look sees it. */
    const lookInside = async (): Promise<void> => {
      const caller = `(sleep 60 | nc ${pair.addresses.gateway} ${labNetwork.servicePort}) </dev/null >/dev/null 2>&1 &`;
      assert.equal((await pair.guests.left.run(`${caller} true`)).code, 0);
      const source = qemuSource({ clock, profileDirectory: null, stubDirectory: '/nowhere' });
      const session = await source.attach(handleOf(vm), monitor);
      assert.ok(session.ok, session.ok ? '' : session.error.message);
      // It is connected some moments later.
      for (let looks = 0; looks < 10 && own.list().length === 0; looks += 1) {
        await wait(1100);
        const swept = session.value.sweep();
        assert.ok(swept.ok);
        own.note(swept.value.sockets, clock.monotonic());
      }
      session.value.close();
      assert.deepEqual(own.list(), [pair.addresses.left]);
    };
    const forgetIt = async (): Promise<void> => {
      const forget = ['ip', 'neigh', 'flush', 'to', pair.addresses.left];
      assert.ok((await runCommand(pair.inside(forget))).ok);
    };
    const heardByRight = async (): Promise<boolean> =>
      (await pair.guests.left.run(`ping -c 2 -W 1 ${pair.addresses.right}`)).code === 0;
    const heardByManagement = async (): Promise<boolean> =>
      (await runCommand(pair.inside(['busybox', 'ping', '-c', '2', '-W', '1', pair.addresses.left]))).ok;

    test('its peer is out of reach, its management is not, and lifting it gives everything back', async () => {
      assert.ok((await network.abilities(vm)).every(({ available }) => available));
      assert.equal(await network.act(step('suspend', {})), null, 'what is not about the network is left to others');
      assert.ok((await heardByRight()) && (await heardByManagement()));
      if (kind === 'ovs') await lookInside();
      const measure: Quarantine = { kind: 'quarantine', management: [pair.addresses.gateway] };
      const applied = await network.act(step('quarantine', { measure }));
      assert.equal(applied?.state, 'done', applied?.evidence);
      assert.ok(!(await heardByRight()), 'the peer is out of reach');
      assert.ok(await heardByManagement(), 'management is not');
      await forgetIt();
      assert.ok(await heardByManagement(), 'nor when it has to ask for it first');

      const bridge = `unix:${dirname(pair.ovsDatabase ?? '')}/plb0.mgmt`;
      const foreign =
        kind === 'bridge'
          ? ['nft', 'delete', 'table', 'bridge', 'plumbline']
          : ['ovs-ofctl', 'del-flows', bridge, 'arp'];
      assert.ok((await runCommand(pair.inside(foreign))).ok);
      const deadline = performance.now() + 30_000;
      while (network.health().putBack === 0) {
        assert.ok(performance.now() < deadline, 'what somebody took away is put back');
        network.reconcile([watch]);
        await wait(100);
      }
      assert.ok(!(await heardByRight()) && (await heardByManagement()));

      const lifted = await network.act(step('lift', { id: 'second', lifts: 'live' }));
      assert.equal(lifted?.state, 'done', lifted?.evidence);
      assert.ok((await heardByRight()) && (await heardByManagement()));
    });
  });

function handleOf(vm: string): GuestHandle {
  const found = findGuests();
  assert.ok(found.ok);
  return found.value.find(({ uuid }) => uuid === vm) ?? assert.fail('the guest is not found');
}
