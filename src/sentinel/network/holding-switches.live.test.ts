// What is wanted stays in force whatever happens to a switch, to the sentinel and to the VM's device.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { arpRequest, datagram, neighbourSolicitation } from '../../../lab/frames.ts';
import { bridgeName, openSwitchedSegment, places, type SwitchedSegment } from '../../../lab/switched-segment.ts';
import { hasBridges } from '../../connectors/enforcement/openvswitch/switch-hold.ts';
import { silentLog } from '../../kit/log.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { NetworkMeasure } from '../../model/network-measure.ts';
import { switchDaemonPid } from '../../protocols/ovsdb/switch-daemon.ts';
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
  function newDesk(ports: () => readonly PluggedPort[] = () => plugged, claimed = (): string[] => []): NetworkDesk {
    return new NetworkDesk({
      memory: new MeasureMemory(database),
      clock,
      log: silentLog,
      ports: () => Promise.resolve({ ok: true, value: ports() }),
      enforcer: (port) => switches.of(port),
      guard: (event) => told.push(event),
      claimed,
    });
  }

  async function getsOut(count = 20): Promise<number> {
    const earlier = (await segment.arrived()).peer;
    await segment.send('vm', out, count);
    await wait(30);
    return (await segment.arrived()).peer - earlier;
  }

  function watchFor(desk: NetworkDesk, awaitedMs = 60_000): SwitchWatch {
    return new SwitchWatch(segment.ovsDatabase ?? '', {
      awaitedMs,
      changed: () => desk.reconcile(new Set()),
      isNeeded: () => desk.hasFlowsOn('openvswitch'),
      log: silentLog,
    });
  }

  function vsctl(...args: readonly string[]): Promise<string> {
    return segment.run('ovs-vsctl', `--db=unix:${segment.ovsDatabase}`, '--timeout=10', ...args);
  }

  /** Until the database's wish that a daemon wait when it starts is that word. */
  async function untilWaits(word: string): Promise<void> {
    const read = () => vsctl('--if-exists', 'get', 'Open_vSwitch', '.', 'other_config:flow-restore-wait');
    for (const deadline = performance.now() + 5000; (await read()).replaceAll('"', '').trim() !== word; await wait(20))
      assert.ok(performance.now() < deadline, `the switch waits: ${await read()}`);
  }

  test('a daemon that died and was started anew lets nothing through before it has been told again', async () => {
    const desk = newDesk();
    const watch = watchFor(desk);
    await watch.attend();
    assert.equal((await desk.apply(vm, 'q', quarantine)).state, 'done');
    assert.equal(await getsOut(), 0);
    await desk.idle();
    await untilWaits('');
    for (let restart = 1; restart <= 3; restart += 1) {
      const earlier = (await segment.arrived()).peer;
      const before = desk.health().putBack;
      const sending = segment.send('vm', out, 15_000);
      await segment.restartDaemon();
      const from = performance.now();
      while (desk.health().putBack === before) {
        assert.ok(performance.now() - from < 4000, 'nobody puts it back');
        await wait(5);
      }
      await sending;
      await untilWaits('');
      assert.equal(await getsOut(), 0);
      assert.equal((await segment.arrived()).peer - earlier, 0, `restart ${restart}: something got out`);
    }
    const others = { by: 'peer', bytes: datagram({ from: peer, to: management }, [4000, 80]) } as const;
    const { management: heard } = await segment.arrived();
    await segment.send(others.by, others.bytes, 20);
    await wait(200);
    assert.ok((await segment.arrived()).management - heard >= 20, 'and everything else goes on');
    await watch.close();
    await desk.idle();
  });

  test('a switch that a sentinel made wait is let go by the next one, and one that ovs-ctl made wait is not', async () => {
    const desk = newDesk();
    for (const [word, left] of [
      ['True', ''],
      ['true', 'true'],
    ] as const) {
      await vsctl('set', 'Open_vSwitch', '.', `other_config:flow-restore-wait=${word}`);
      const watch = watchFor(desk);
      await watch.attend();
      await untilWaits(left);
      await wait(300);
      await untilWaits(left);
      await watch.close();
      await desk.idle();
    }
    await vsctl('remove', 'Open_vSwitch', '.', 'other_config', 'flow-restore-wait');
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

  test('management that has forgotten the VM can ask for it by what it claims, and a stranger cannot', async () => {
    const at6 = ({ mac, address6 }: typeof peer) => ({ mac, address: address6 });
    const unknown = (): readonly PluggedPort[] =>
      plugged.map((plug) => ({ ...plug, port: { ...plug.port, addresses: [] } }));
    const measure: NetworkMeasure = { kind: 'quarantine', management: [management.address, management.address6] };
    /** So many of twenty questions each reach the VM, by ARP and by neighbour discovery. */
    const heardFrom = async (
      who: 'management' | 'peer',
      expected: number,
      of: typeof peer = places.vm,
    ): Promise<void> => {
      for (const frame of [arpRequest(places[who], of.address), neighbourSolicitation(at6(places[who]), of.address6)]) {
        const earlier = (await segment.arrived()).vm;
        await segment.send(who, frame, 20);
        await wait(60);
        const count = async (): Promise<number> => (await segment.arrived()).vm - earlier;
        // What arrives late on a busy machine has arrived.
        for (const until = performance.now() + 3000; (await count()) < expected && performance.now() < until;)
          await wait(20);
        assert.equal(await count(), expected, `${who} asks for ${of.address}`);
      }
    };
    const silent = newDesk(unknown);
    assert.equal((await silent.apply(vm, 'silent', measure)).state, 'done');
    // Whom nobody knows, nobody can ask for.
    await heardFrom('management', 0);
    assert.equal((await silent.lift(vm, 'silent')).state, 'done');

    const desk = newDesk(unknown, () => [places.vm.address, places.vm.address6]);
    assert.equal((await desk.apply(vm, 'asked', measure)).state, 'done');
    const asItShouldBe = async (): Promise<void> => {
      await heardFrom('management', 20);
      // What is asked about others is not its business.
      await heardFrom('management', 0, peer);
      await heardFrom('peer', 0);
      assert.equal(await getsOut(), 0);
    };
    await asItShouldBe();
    // It says that it is management, and asks everybody for itself.
    for (const lie of [
      arpRequest({ mac: places.vm.mac, address: management.address }, places.vm.address),
      neighbourSolicitation({ mac: places.vm.mac, address: management.address6 }, places.vm.address6),
    ]) {
      const earlier = (await segment.arrived()).peer;
      await segment.send('vm', lie, 20);
      await wait(60);
      assert.equal((await segment.arrived()).peer - earlier, 0, 'by what is let in, nothing gets out');
    }
    const next = newDesk(unknown, () => ['10.88.0.77']);
    await next.reconcile(new Set([vm]));
    assert.equal(next.health().putBack, 0, 'it is the same order');
    await segment.replug();
    await next.reconcile(new Set([vm]));
    assert.equal(next.health().putBack, 1);
    await asItShouldBe();
    assert.equal((await next.lift(vm, 'asked')).state, 'done');
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

  test('a sentinel that ends in order while a switch is made to wait lets it go', async () => {
    const desk = newDesk();
    const watch = watchFor(desk);
    await watch.attend();
    assert.equal((await desk.apply(vm, 'leaving', quarantine)).state, 'done');
    await wait(300);
    process.kill(switchDaemonPid(segment.ovsDatabase ?? '') ?? assert.fail(), 'SIGKILL');
    await untilWaits('True');
    await watch.close();
    await untilWaits('');
    await segment.restartDaemon();
    while (!(await hasBridges(segment.ovsDatabase ?? ''))) await wait(20);
    assert.equal((await desk.lift(vm, 'leaving')).state, 'done');
  });

  test('a switch whose daemon stays away is made to wait for a while only', async () => {
    const desk = newDesk();
    const watch = watchFor(desk, 1500);
    await watch.attend();
    assert.equal((await desk.apply(vm, 'away', quarantine)).state, 'done');
    await wait(300);
    process.kill(switchDaemonPid(segment.ovsDatabase ?? '') ?? assert.fail(), 'SIGKILL');
    await untilWaits('True');
    await untilWaits('');
    await watch.close();
    await desk.idle();
  });
});
