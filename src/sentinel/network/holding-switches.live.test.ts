// What is wanted stays in force whatever happens to a switch, to the sentinel and to the VM's device.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { datagram } from '../../../lab/frames.ts';
import { bridgeName, openSwitchedSegment, places, type SwitchedSegment } from '../../../lab/switched-segment.ts';
import { silentLog } from '../../kit/log.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { NetworkMeasure } from '../../model/network-measure.ts';
import { type Database, openDatabase } from '../database.ts';
import { MeasureMemory } from './measure-memory.ts';
import { NetworkDesk } from './network-desk.ts';
import { NetworkSwitches } from './network-switches.ts';
import { SwitchWatch } from './switch-watch.ts';
import type { PluggedPort } from './vm-ports.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const patience = { clock, sleep: (ms: number) => wait(ms) };
const vm = '0f3f6a52-0000-4000-8000-000000000001';
const { management, peer } = places;
const quarantine: NetworkMeasure = { kind: 'quarantine', management: [management.address] };
const out = datagram({ from: places.vm, to: peer }, [4000, 80]);

suite('held to what is wanted', () => {
  let segment: SwitchedSegment;
  let database: Database;
  let switches: NetworkSwitches;
  let plugged: readonly PluggedPort[] = [];
  const told: GuardEvent[] = [];

  before(async () => {
    segment = await openSwitchedSegment('ovs');
    const directory = mkdtempSync(join(tmpdir(), 'plumbline-holding-'));
    const opened = openDatabase(join(directory, 'sentinel.db'));
    assert.ok(opened.ok);
    database = opened.value;
    switches = new NetworkSwitches({
      patience,
      evidence: directory,
      ovsDatabase: segment.ovsDatabase ?? '',
      captured: () => undefined,
      lost: () => undefined,
    });
    plugged = [portOf(vm)];
  });
  after(async () => {
    database?.close();
    await segment?.stop();
  });

  function portOf(of: string): PluggedPort {
    const { mac, port, address } = places.vm;
    const where = { vm: of, interface: port, mac, addresses: [address], bridge: bridgeName };
    return { port: where, by: 'openvswitch', why: null, namespacePid: segment.pid };
  }

  /** As a sentinel that has just begun: it knows what is in its database. */
  function newDesk(ports: () => readonly PluggedPort[] = () => plugged): NetworkDesk {
    return new NetworkDesk({
      memory: new MeasureMemory(database),
      clock,
      log: silentLog,
      ports: () => Promise.resolve({ ok: true, value: ports() }),
      enforcer: (port) => switches.of(port),
      guard: (event) => told.push(event),
    });
  }

  async function getsOut(count = 20): Promise<number> {
    const earlier = (await segment.arrived()).peer;
    await segment.send('vm', out, count);
    await wait(30);
    return (await segment.arrived()).peer - earlier;
  }

  test('a daemon that died and was started anew is told again, by itself and soon', async () => {
    const desk = newDesk();
    const watch = new SwitchWatch(segment.ovsDatabase ?? '', () => void desk.reconcile(new Set()));
    await watch.attend();
    assert.equal((await desk.apply(vm, 'q', quarantine)).state, 'done');
    assert.equal(await getsOut(), 0);
    await desk.idle();
    const before = desk.health().putBack;
    await segment.restartDaemon();
    const from = performance.now();
    while (desk.health().putBack === before) {
      assert.ok(performance.now() - from < 4000, 'nobody puts it back');
      await wait(5);
    }
    assert.equal(await getsOut(), 0);
    watch.close();
    await desk.idle();
  });

  test('a sentinel that begins anew holds the switch to what the one before it was told', async () => {
    await segment.replug();
    const desk = newDesk();
    await desk.reconcile(new Set([vm]));
    assert.deepEqual(desk.health(), { wanted: 1, putBack: 1, notPutBack: 0, stale: 0 });
    await desk.reconcile(new Set([vm]));
    assert.equal(desk.health().putBack, 1, 'what is in force is left alone');
    assert.equal((await desk.lift(vm, 'q')).state, 'done');
    assert.equal(await getsOut(), 20);
    await desk.reconcile(new Set([vm]));
    assert.equal(desk.health().wanted, 0);
  });

  test('another VM on the same device does not inherit what the one before it was given', async () => {
    const desk = newDesk();
    assert.equal((await desk.apply(vm, 'old', quarantine)).state, 'done');
    const heir = newDesk(() => [portOf('0f3f6a52-0000-4000-8000-000000000002')]);
    assert.equal(await heir.started('0f3f6a52-0000-4000-8000-000000000002'), true);
    assert.equal(heir.health().stale, 1);
    assert.equal(await getsOut(), 20);
    await desk.lift(vm, 'old');
  });

  test('a VM with a way out that nobody can close is not called quarantined', async () => {
    const why = 'card 52:54:00:00:00:01 is on `user`, which no switch of this host carries';
    const desk = newDesk(() => [...plugged, { ...portOf(vm), by: null, why }]);
    const outcome = await desk.apply(vm, 'partly', quarantine);
    assert.equal(outcome.state, 'failed');
    assert.match(outcome.evidence, /another way out/);
    assert.ok(
      (await desk.abilities(vm)).every((ability) => !ability.available && ability.why?.includes('user') === true),
    );
    assert.equal(await getsOut(), 20);
  });

  test('what cannot be put back is told as a guard event, once', async () => {
    const desk = newDesk();
    assert.equal((await desk.apply(vm, 'lost', quarantine)).state, 'done');
    plugged = [{ ...portOf(vm), port: { ...portOf(vm).port, interface: 'nowhere' } }];
    await desk.reconcile(new Set([vm]));
    await desk.reconcile(new Set([vm]));
    assert.deepEqual(
      told.map(({ what, subject }) => [what, subject]),
      [['refusal-failed', 'quarantine lost']],
    );
    assert.equal(desk.health().notPutBack, 2);
    plugged = [portOf(vm)];
    assert.equal((await desk.lift(vm, 'lost')).state, 'done');
    assert.equal(await getsOut(), 20);
  });

  test('the same thing tried again under another id is one thing, and the newer takes it back', async () => {
    const desk = newDesk();
    assert.equal((await desk.apply(vm, 'first', quarantine)).state, 'done');
    assert.equal((await desk.apply(vm, 'second', quarantine)).state, 'done');
    await desk.reconcile(new Set([vm]));
    assert.equal(desk.health().wanted, 1);
    assert.match((await desk.lift(vm, 'first')).evidence, /second has taken its place/);
    assert.equal(await getsOut(), 0);
    assert.equal((await desk.lift(vm, 'second')).state, 'done');
    assert.equal(await getsOut(), 20);
  });

  test('a block that has run out is wanted no more', async () => {
    const desk = newDesk();
    const expiresAt = new Date(Date.now() + 4000).toISOString();
    const block: NetworkMeasure = {
      kind: 'block-flow',
      peer: peer.address,
      proto: 'udp',
      port: 80,
      direction: 'outbound',
      expiresAt,
    };
    assert.equal((await desk.apply(vm, 'b', block)).state, 'done');
    assert.equal(await getsOut(), 0);
    const deadline = performance.now() + 8000;
    do {
      assert.ok(performance.now() < deadline, 'it ends');
      await wait(100);
      await desk.reconcile(new Set([vm]));
    } while (desk.health().wanted > 0);
    assert.equal(await getsOut(), 20);
  });
});
