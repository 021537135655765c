// Measures by libvirt's network filters, on a real guest of a real libvirtd: frames are made in the guest, and counted by the kernels
// where they arrive.
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { datagram } from '../../../lab/frames.ts';
import { type GuestSegment, guestPlace, openGuestSegment } from '../../../lab/guest-segment.ts';
import { segmentFrames, type SegmentFrame } from '../../../lab/segment-frames.ts';
import { bridgeName, type Machine, machines, places } from '../../../lab/switched-segment.ts';
import type { MeasureOutcome, NetworkEnforcer } from '../../connectors/enforcement/network-enforcer.ts';
import { nwfilterEnforcer } from '../../connectors/enforcement/nwfilter/nwfilter-enforcer.ts';
import { findGuests } from '../../introspection/introspection.ts';
import { silentLog } from '../../kit/log.ts';
import type { BlockFlow, Quarantine, VmPort } from '../../model/network-measure.ts';
import type { Step } from '../../model/remediation.ts';
import { openLibvirtMonitor } from '../../protocols/libvirt/libvirt-monitor.ts';
import { openDatabase } from '../database.ts';
import type { VmWatch } from '../watch/vm-watch.ts';
import { HostNetwork } from './host-network.ts';
import { OverdueBlocks } from './overdue-blocks.ts';

let laterMs = 0;
const clock = { now: () => Date.now() + laterMs, monotonic: () => performance.now() };
const patience = { clock, sleep: (ms: number) => wait(ms) };
const { peer, management } = places;
const { forbidden, permitted, others } = segmentFrames(guestPlace);
const quarantine: Quarantine = { kind: 'quarantine', management: [management.address, management.address6] };
const each = 32;
const settleMs = 60;
type Frames = Readonly<Record<string, SegmentFrame>>;

suite('a guest behind network filters of libvirt’s', () => {
  let place: GuestSegment;
  let port: VmPort;
  let enforcer: NetworkEnforcer;
  let monitor: Awaited<ReturnType<typeof openLibvirtMonitor>> | null = null;

  before(async () => {
    place = await openGuestSegment(`filtered-${process.pid}`);
    const { mac, address, address6, port: device } = guestPlace;
    port = { vm: place.domain.uuid, interface: device, mac, addresses: [address, address6], bridge: bridgeName };
    enforcer = newEnforcer();
  });
  after(async () => {
    if (monitor?.ok === true) monitor.value.close();
    await place?.stop();
  });
  afterEach(async () => {
    laterMs = 0;
    const found = await enforcer.inForce(port);
    for (const { id } of found.ok ? found.value : []) await enforcer.release(port, id);
  });

  /** As of a sentinel that has just begun and remembers nothing. */
  const newEnforcer = (): NetworkEnforcer =>
    nwfilterEnforcer({ socket: place.host.socket, uuid: place.domain.uuid, patience, capture: null });

  const virsh = async (...words: readonly string[]): Promise<string> => {
    const said = await place.host.virsh(...words);
    assert.ok(said.ok, said.ok ? '' : said.error.message);
    return said.value;
  };
  const card = async (...how: readonly string[]): Promise<string> =>
    /<interface[^]*<\/interface>/.exec(await virsh('dumpxml', place.domain.name, ...how))?.[0] ?? '';
  const update = async (text: string, how: '--live' | '--config'): Promise<void> => {
    const file = join(mkdtempSync(join(tmpdir(), 'plumbline-card-')), 'card.xml');
    writeFileSync(file, text);
    await virsh('update-device', place.domain.name, file, how);
  };
  const asItIs = async (): Promise<readonly string[]> => [
    await card(),
    await card('--inactive'),
    await virsh('nwfilter-list'),
    await virsh('nwfilter-binding-list'),
  ];
  const held = async (): Promise<readonly string[]> => {
    const found = await newEnforcer().inForce(port);
    assert.ok(found.ok);
    return found.value.filter(({ missing }) => missing === null).map(({ id }) => id);
  };

  const counts = async (): Promise<Record<Machine, number>> => {
    const [others, vm] = await Promise.all([place.segment.arrived(), place.arrived()]);
    return { vm, peer: others.peer, management: others.management };
  };
  async function send(frames: readonly SegmentFrame[]): Promise<void> {
    const ofGuest = frames.filter(({ by }) => by === 'vm').map(({ bytes }) => bytes);
    if (ofGuest.length > 0) await place.send(ofGuest, each);
    for (const { by, bytes } of frames) if (by !== 'vm') await place.segment.send(by, bytes, each);
  }

  /** As many as were meant for a machine arrive there, and no more than were sent by others. */
  async function allPass(frames: Frames): Promise<void> {
    const earlier = await counts();
    const all = Object.values(frames);
    await send(all);
    for (const machine of machines) {
      const meant = all.filter(({ to }) => to === machine).length * each;
      const sent = all.filter(({ by }) => by !== machine).length * each;
      const deadline = performance.now() + 3000;
      const seen = async (): Promise<number> => (await counts())[machine] - earlier[machine];
      while ((await seen()) < meant && performance.now() < deadline) await wait(20);
      const arrived = await seen();
      assert.ok(arrived >= meant && arrived <= sent, `${arrived} at ${machine} of: ${Object.keys(frames).join(', ')}`);
    }
  }

  /** Nothing of what the guest sends arrives anywhere, and nothing that is sent at the guest. */
  async function nonePass(frames: Frames): Promise<void> {
    const all = Object.values(frames);
    const names = Object.keys(frames).join(', ');
    const first = await counts();
    await send(all.filter(({ by }) => by === 'vm'));
    await wait(settleMs);
    const second = await counts();
    assert.deepEqual([second.peer, second.management], [first.peer, first.management], names);
    await send(all.filter(({ by }) => by !== 'vm'));
    await wait(settleMs);
    assert.equal((await counts()).vm, first.vm, names);
  }

  function isDone(outcome: MeasureOutcome, changed: boolean): void {
    assert.deepEqual([outcome.state, outcome.changed], ['done', changed], outcome.evidence);
  }

  test('nothing passes in quarantine but management, whoever takes it away; lifted, all is as it was', async () => {
    const network = await hostNetwork();
    const step = (action: Step['action'], more: Partial<Step>): Step => ({
      id: 'live',
      vm: place.domain.uuid,
      action,
      why: 'a test',
      expect: 'in force',
      undo: null,
      ...more,
    });
    try {
      const earlier = await asItIs();
      await allPass({ ...forbidden, ...permitted });
      const applied = await network.act(step('quarantine', { measure: quarantine }));
      assert.equal(applied?.state, 'done', applied?.evidence);
      assert.match(applied?.evidence ?? '', /libvirt network filter/);
      const again = await network.act(step('quarantine', { measure: quarantine }));
      assert.match(again?.evidence ?? '', /already so/);
      assert.equal((await held()).length, 1);
      // Which addresses the guest has the sentinel does not know.
      const { 'from another address to management': _, ...surelyForbidden } = forbidden;
      await nonePass(surelyForbidden);
      await allPass({ ...permitted, ...others });

      await update(earlier[0] ?? '', '--live');
      const open = { 'to a peer': forbidden['to a peer'] } as Frames;
      await allPass(open);
      const deadline = performance.now() + 60_000;
      while (network.health().putBack === 0) {
        assert.ok(performance.now() < deadline, 'nobody puts it back');
        network.reconcile([watched()]);
        await wait(100);
      }
      await nonePass(open);
      const lifted = await network.act(step('lift', { id: 'second', lifts: 'live' }));
      assert.equal(lifted?.state, 'done', lifted?.evidence);
      await allPass({ ...forbidden, ...permitted });
      assert.deepEqual(await asItIs(), earlier);
    } finally {
      await network.close();
    }
  });

  test('one blocked flow is the only one that is stopped, both ways, until somebody ends it', async () => {
    const endsIn = (seconds: number) => ({ expiresAt: new Date(Date.now() + seconds * 1000).toISOString() });
    const order: BlockFlow = {
      kind: 'block-flow',
      peer: peer.address,
      proto: 'tcp',
      port: 8080,
      direction: 'outbound',
      ...endsIn(600),
    };
    const vm = guestPlace;
    const blocked: Frames = {
      out: { by: 'vm', to: 'peer', bytes: datagram({ from: vm, to: peer }, [4000, 8080], 'tcp') },
      back: { by: 'peer', to: 'vm', bytes: datagram({ from: peer, to: vm }, [8080, 4000], 'tcp') },
    };
    const beside: Frames = {
      'another port': { by: 'vm', to: 'peer', bytes: datagram({ from: vm, to: peer }, [4000, 80], 'tcp') },
      'the same port by UDP': { by: 'vm', to: 'peer', bytes: datagram({ from: vm, to: peer }, [4000, 8080]) },
      'another peer': { by: 'vm', to: 'management', bytes: datagram({ from: vm, to: management }, [1, 8080], 'tcp') },
      'the other way round': { by: 'peer', to: 'vm', bytes: datagram({ from: peer, to: vm }, [4000, 8080], 'tcp') },
    };
    const six: BlockFlow = { ...order, peer: peer.address6, proto: 'any', port: null };
    const bySix = { out: forbidden['to a peer by IPv6'], back: forbidden['from a peer by IPv6'] } as Frames;
    isDone(await enforcer.apply(port, 'b1', order), true);
    isDone(await enforcer.apply(port, 'b1', order), false);
    isDone(await enforcer.apply(port, 'b2', { ...six, ...endsIn(300) }), true);
    await nonePass({ ...blocked, ...bySix });
    await allPass(beside);
    isDone(await enforcer.release(port, 'b1'), true);
    await allPass(blocked);

    assert.deepEqual(await held(), ['b2']);
    laterMs = 400_000;
    assert.deepEqual(await held(), []);
    const found = await enforcer.inForce(port);
    const why = found.ok ? found.value.map(({ missing }) => missing) : [];
    assert.match(why.join(), /time is over/, 'libvirt keeps it until somebody ends it');
    await nonePass(bySix);
    await new OverdueBlocks(clock, silentLog).end(new Set([place.host.socket]));
    isDone(await enforcer.release(port, 'b2'), false);
    await allPass(bySix);
    // Nothing stands in the filter by now; the next measure that is released takes it away.
    isDone(await enforcer.apply(port, 'b3', order), true);
    isDone(await enforcer.release(port, 'b3'), true);
    assert.doesNotMatch(await card(), /filterref/);
  });

  test('the filter that the owner had stays in force, and is there again as it was', async () => {
    const reference = `<filterref filter='no-mac-spoofing'><parameter name='IP' value='${guestPlace.address}'/></filterref>`;
    const filtered = (text: string): string => text.replace('</interface>', `${reference}</interface>`);
    await update(filtered(await card()), '--live');
    await update(filtered(await card('--inactive')), '--config');
    const earlier = await asItIs();
    for (const text of earlier.slice(0, 2)) assert.match(text, /no-mac-spoofing[^]*10\.88\.0\.7/);
    const spoofed = { spoofed: forbidden['from another hardware address'] } as Frames;
    const honest = { honest: forbidden['to a peer'] } as Frames;
    await nonePass(spoofed);
    isDone(await enforcer.apply(port, 'q3', quarantine), true);
    const otherAddress = { otherAddress: forbidden['from another address to management'] } as Frames;
    await nonePass({ ...spoofed, ...honest, ...otherAddress });
    await allPass(permitted);
    isDone(await newEnforcer().release(port, 'q3'), true);
    assert.deepEqual(await asItIs(), earlier);
    await nonePass(spoofed);
    await allPass(honest);
  });

  test('a guest that is started again is in quarantine from its first frame', async () => {
    const earlier = await card('--inactive');
    isDone(await enforcer.apply(port, 'q4', quarantine), true);
    const before = await place.segment.arrived();
    await virsh('destroy', place.domain.name);
    assert.deepEqual(await held(), ['q4'], 'libvirt keeps it while the guest does not run');
    await virsh('start', place.domain.name);
    await place.domain.run('ping -c 3 -W 1 10.88.0.2', 60_000);
    const devices = await place.segment.run('cat', '/proc/net/dev');
    const tried = new RegExp(String.raw`${guestPlace.port}:\s*\d+\s+(\d+)`).exec(devices)?.[1];
    assert.ok(Number(tried) >= 3, `the guest has tried ${tried} times`);
    assert.equal((await place.segment.arrived()).peer, before.peer);
    assert.deepEqual(await held(), ['q4']);
    isDone(await newEnforcer().release(port, 'q4'), true);
    await place.domain.run('ping -c 3 -W 1 10.88.0.2');
    assert.ok((await place.segment.arrived()).peer > before.peer);
    assert.equal(await card('--inactive'), earlier);
  });

  function watched(): Pick<VmWatch, 'entry' | 'monitor' | 'enforcer'> {
    const found = findGuests({ libvirtSocket: place.host.socket });
    assert.ok(found.ok);
    const handle = found.value.find(({ uuid }) => uuid === place.domain.uuid) ?? assert.fail('the guest is not found');
    return {
      entry: { id: place.domain.uuid, run: 'first', handle },
      monitor: async () => {
        monitor ??= await openLibvirtMonitor(place.host.socket, place.domain.uuid);
        return monitor.ok ? monitor.value : null;
      },
      enforcer: () => Promise.resolve(null),
    };
  }

  async function hostNetwork(): Promise<HostNetwork> {
    const directory = mkdtempSync(join(tmpdir(), 'plumbline-filters-'));
    const database = openDatabase(join(directory, 'sentinel.db'));
    assert.ok(database.ok);
    return new HostNetwork({
      database: database.value,
      evidence: { captured: () => undefined, captureLost: (id, why) => assert.fail(`${id}: ${why.message}`) },
      directory,
      clock,
      log: silentLog,
      guard: (event) => assert.fail(event.detail),
      watch: () => watched(),
      ovsDatabase: '/nowhere',
      bridgeEnforcer: 'nwfilter',
    });
  }
});
