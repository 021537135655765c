// A VM that is cut off at its own card: nothing reaches it and nothing leaves it, its guest sees no carrier, and a restart of QEMU is no
// way out while the sentinel is there.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type BridgedPair, openBridgedPair } from '../../../lab/bridged-pair.ts';
import { qemuEnforcer } from '../../connectors/enforcement/qemu/qemu-enforcer.ts';
import { findGuests } from '../../introspection/introspection.ts';
import { silentLog } from '../../kit/log.ts';
import type { Step } from '../../model/remediation.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { openQmp } from '../../protocols/qmp/qmp-client.ts';
import { type Database, openDatabase } from '../database.ts';
import type { VmWatch } from '../watch/vm-watch.ts';
import { HostNetwork } from './host-network.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const patience = { clock, sleep: (ms: number) => wait(ms) };

suite('a VM whose links are cut', { skip: process.getuid?.() === 0 ? false : 'takes root' }, () => {
  let pair: BridgedPair;
  let database: Database;
  let network: HostNetwork;
  let monitor: Monitor;
  let watch: Pick<VmWatch, 'entry' | 'monitor' | 'enforcer'>;
  const told: string[] = [];

  async function attach(run: string): Promise<void> {
    const { left } = pair.guests;
    const connected = await openQmp(left.qmpSocket);
    assert.ok(connected.ok, connected.ok ? '' : connected.error.message);
    monitor = connected.value;
    const guests = findGuests();
    const found = guests.ok ? guests.value.find(({ uuid }) => uuid === left.uuid) : undefined;
    assert.ok(found);
    const enforcer = qemuEnforcer({ monitor, alive: () => true, patience, pid: left.pid() ?? 0 });
    watch = {
      entry: { id: left.uuid, run, handle: found },
      monitor: () => Promise.resolve(monitor),
      enforcer: () => Promise.resolve(enforcer),
    };
  }

  function start(): void {
    network = new HostNetwork({
      database,
      directory: tmpdir(),
      evidence: { captured: () => undefined, captureLost: (id, why) => assert.fail(`${id}: ${why.message}`) },
      clock,
      log: silentLog,
      guard: (event) => told.push(event.detail),
      watch: () => watch,
      ovsDatabase: '/nowhere',
    });
    network.reconcile([watch]);
  }

  before(async () => {
    const opened = await openBridgedPair({ switch: 'bridge', prefix: `cut-${process.pid}-` });
    assert.ok(opened.ok, opened.ok ? '' : opened.error.message);
    pair = opened.value;
    const file = openDatabase(join(mkdtempSync(join(tmpdir(), 'plumbline-cut-')), 'sentinel.db'));
    assert.ok(file.ok);
    database = file.value;
    await attach('first');
    start();
  });
  after(async () => {
    await network?.close();
    database?.close();
    monitor?.close();
    await pair?.stop();
  });

  const step = (action: Step['action'], id: string): Step => ({
    id,
    vm: watch.entry.id,
    action,
    why: 'a test',
    expect: action === 'cut-link' ? 'links down' : 'links up',
    undo: null,
  });
  const act = async (action: Step['action'], id: string): Promise<string> => {
    const outcome = await network.act(step(action, id));
    assert.equal(outcome?.state, 'done', outcome?.evidence);
    return outcome?.evidence ?? '';
  };
  const carrier = async (): Promise<string> =>
    (await pair.guests.left.run('cat /sys/class/net/eth0/carrier')).out.trim();
  const reaches = async (): Promise<boolean> =>
    (await pair.guests.right.run(`ping -c 1 -W 1 ${pair.addresses.left}`)).code === 0;
  async function until(wanted: () => Promise<boolean>, what: string): Promise<void> {
    for (let tries = 0; tries < 40; tries += 1) {
      if (await wanted()) return;
      await wait(100);
    }
    assert.fail(`${what} did not come`);
  }

  test('is reached by nobody, and by its neighbour again when that is taken back', async () => {
    assert.ok(await reaches());
    assert.ok((await pair.guests.left.snapshot('links-up')).ok);
    assert.match(await act('cut-link', 'cut'), /virtio-net-pci.*link down/);
    assert.deepEqual([await reaches(), await carrier()], [false, '0']);
    assert.match(await act('cut-link', 'cut'), /already so/);
    await act('restore-link', 'back');
    await until(reaches, 'the way back');
    assert.equal(await carrier(), '1');
    assert.match(await act('restore-link', 'back'), /already so/);
  });

  test('is cut again by whoever comes back when its links came up in the meantime', async () => {
    await act('cut-link', 'cut2');
    await network.close();
    await monitor.execute('set_link', { name: 'virtio-net-pci.0', up: true });
    await until(reaches, 'the way while nobody looked');
    start();
    await until(async () => (await carrier()) === '0', 'the cut');
    assert.equal(await reaches(), false);
  });

  test('is cut again when it is started in a new QEMU, which begins with its links up', async () => {
    monitor.close();
    const restored = await pair.guests.left.restore('links-up');
    assert.ok(restored.ok, restored.ok ? '' : restored.error.message);
    await attach('second');
    assert.ok(await reaches(), 'its new QEMU has its link up');
    network.reconcile([watch]);
    await until(async () => !(await reaches()), 'the cut');
    assert.equal(network.health().linksCutAgain, 2);
    await act('restore-link', 'back2');
    await until(reaches, 'the way back');
    assert.deepEqual(told, []);
  });
});
