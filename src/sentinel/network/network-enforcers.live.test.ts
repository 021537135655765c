// One contract for every switch, on switches of this machine's kernel and of Open vSwitch. What an enforcer says is not believed:
// frames of every kind are sent, and counted by the kernel where they arrive.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { broadcastMac, datagram } from '../../../lab/frames.ts';
import { segmentFrames, type SegmentFrame as Frame } from '../../../lab/segment-frames.ts';
import {
  bridgeName,
  inspection,
  machines,
  openSwitchedSegment,
  places,
  type SwitchKind,
  type SwitchedSegment,
} from '../../../lab/switched-segment.ts';
import type { MeasureOutcome, NetworkEnforcer } from '../../connectors/enforcement/network-enforcer.ts';
import { type CapturedFile, PacketCapture } from '../../connectors/enforcement/packet-capture.ts';
import { nftablesEnforcer } from '../../connectors/enforcement/nftables/nftables-enforcer.ts';

import { openVswitchEnforcer } from '../../connectors/enforcement/openvswitch/openvswitch-enforcer.ts';
import type { BlockFlow, Quarantine, VmPort } from '../../model/network-measure.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const patience = { clock, sleep: (ms: number) => wait(ms) };
const { vm, peer, management } = places;
const port: VmPort = {
  vm: '0f3f6a52-0000-4000-8000-000000000001',
  interface: vm.port,
  mac: vm.mac,
  addresses: [vm.address, vm.address6],
  bridge: bridgeName,
};
const quarantine: Quarantine = { kind: 'quarantine', management: [management.address, management.address6] };
const each = 32;
/** A switch in user space hands frames on a moment later. */
const settleMs = 60;
/** What arrives late on a busy machine has arrived. */
const patienceMs = 3000;

const { forbidden, permitted, others } = segmentFrames(vm);

for (const kind of ['bridge', 'ovs'] as const satisfies readonly SwitchKind[]) {
  suite(`network enforcement on ${kind === 'bridge' ? 'a Linux bridge' : 'Open vSwitch'}`, () => {
    let segment: SwitchedSegment;
    let enforcer: NetworkEnforcer;
    let capture: PacketCapture;
    const files: CapturedFile[] = [];

    before(async () => {
      segment = await openSwitchedSegment(kind);
      capture = new PacketCapture({
        directory: join(mkdtempSync(join(tmpdir(), 'plumbline-capture-')), 'evidence'),
        clock,
        namespacePid: segment.pid,
        finished: (file) => files.push(file),
        lost: (id, why) => assert.fail(`${id}: ${why.message}`),
      });
      const namespacePid = segment.pid;
      enforcer =
        segment.ovsDatabase === null
          ? nftablesEnforcer({ namespacePid, patience, capture })
          : openVswitchEnforcer({ database: segment.ovsDatabase, patience, capture });
    });
    after(async () => {
      await capture?.close();
      await segment?.stop();
    });

    afterEach(async () => {
      const found = await enforcer.inForce(port);
      for (const { id } of found.ok ? found.value : []) await enforcer.release(port, id);
    });

    /** How many of these arrive where they were meant for. */
    async function arrivals(frame: Frame, count = each): Promise<number> {
      const earlier = (await settled())[frame.to];
      await segment.send(frame.by, frame.bytes, count);
      await wait(settleMs);
      return (await segment.arrived())[frame.to] - earlier;
    }

    /** Each arrives where it was meant for, and nowhere twice; those for everybody, at everybody. */
    async function allPass(frames: Readonly<Record<string, Frame>>): Promise<void> {
      const earlier = await segment.arrived();
      const least = { vm: 0, peer: 0, management: 0 };
      // A switch hands frames for a machine that it does not know yet to everybody.
      const most = { vm: 0, peer: 0, management: 0 };
      for (const { by, to, bytes } of Object.values(frames)) {
        await segment.send(by, bytes, each);
        const isForAll = Number.parseInt(bytes.slice(0, 2), 16) % 2 === 1;
        for (const machine of machines) {
          if (machine === to || (isForAll && machine !== by)) least[machine] += each;
          if (machine !== by) most[machine] += each;
        }
      }
      const names = Object.keys(frames).join(', ');
      const deadline = performance.now() + patienceMs;
      for (const machine of machines) {
        const seen = async (): Promise<number> => (await segment.arrived())[machine] - earlier[machine];
        while ((await seen()) < least[machine] && performance.now() < deadline) await wait(20);
        const count = await seen();
        assert.ok(count >= least[machine] && count <= most[machine], `${count} at ${machine} of: ${names}`);
      }
    }

    /** What was sent before, and what a switch handed to everybody of it, has arrived: nothing came for a while. */
    async function settled(): ReturnType<SwitchedSegment['arrived']> {
      for (const deadline = performance.now() + patienceMs; ;) {
        const earlier = await segment.arrived();
        await wait(2 * settleMs);
        const now = await segment.arrived();
        if (machines.every((machine) => now[machine] === earlier[machine]) || performance.now() > deadline) return now;
      }
    }

    /** None arrives where it was meant for; of what the VM sends, none anywhere. */
    async function nonePass(frames: Readonly<Record<string, Frame>>): Promise<void> {
      for (const sender of ['vm', 'peer', 'management'] as const) {
        const sent = Object.values(frames).filter(({ by }) => by === sender);
        const earlier = await settled();
        for (const { bytes } of sent) await segment.send(sender, bytes, each);
        await wait(settleMs);
        const now = await segment.arrived();
        const kept = sender === 'vm' ? (['peer', 'management'] as const) : (['vm'] as const);
        for (const place of kept)
          assert.equal(now[place] - earlier[place], 0, `nothing of what ${sender} sent arrives at ${place}`);
      }
    }

    function isDone(outcome: MeasureOutcome, changed: boolean): void {
      assert.equal(outcome.state, 'done', outcome.evidence);
      assert.equal(outcome.changed, changed, outcome.evidence);
    }

    async function held(): Promise<readonly string[]> {
      const found = await enforcer.inForce(port);
      assert.ok(found.ok, found.ok ? '' : found.error.message);
      return found.value.map(({ id, missing }) => (missing === null ? id : `${id}: ${missing}`));
    }

    test('everything passes as long as nothing is ordered', async () => {
      const capabilities = await enforcer.capabilities(port);
      assert.deepEqual(
        capabilities.map(({ measure, why }) => [measure, why]),
        [
          ['quarantine', null],
          ['block-flow', null],
          ['capture', null],
          ['reroute', null],
        ],
      );
      assert.deepEqual(await held(), []);
      await allPass({ ...forbidden, ...permitted, ...others });
    });

    test('quarantine leaves management and nothing else, and release gives everything back', async () => {
      isDone(await enforcer.apply(port, 'q1', quarantine), true);
      await nonePass(forbidden);
      await allPass({ ...permitted, ...others });
      isDone(await enforcer.apply(port, 'q1', quarantine), false);
      assert.deepEqual(await held(), ['q1']);
      const second = await enforcer.apply(port, 'q2', { kind: 'quarantine', management: [peer.address] });
      assert.equal(second.state, 'failed', 'a second quarantine would open what the first closed');
      await nonePass({ 'to a peer': forbidden['to a peer'] as Frame });
      isDone(await enforcer.release(port, 'q1'), true);
      isDone(await enforcer.release(port, 'q1'), false);
      assert.deepEqual(await held(), []);
      await allPass({ ...forbidden, ...permitted });
    });

    test('quarantine without management leaves nothing', async () => {
      isDone(await enforcer.apply(port, 'q0', { kind: 'quarantine', management: [] }), true);
      await nonePass({ ...forbidden, ...permitted });
      isDone(await enforcer.release(port, 'q0'), true);
    });

    test('a VM that is restarted, on a device of the same name, is in quarantine from its first frame', async () => {
      isDone(await enforcer.apply(port, 'q3', quarantine), true);
      for (let restart = 0; restart < 3; restart += 1) {
        const earlier = await segment.arrived();
        await segment.replug();
        // Before anybody could have put anything in force again.
        await segment.send('vm', datagram({ from: vm, to: peer }, [4000, 80]), 200);
        await segment.send(
          'vm',
          datagram({ from: vm, to: { mac: broadcastMac, address: '10.88.0.255' } }, [4000, 80]),
          200,
        );
        await wait(settleMs);
        assert.equal((await segment.arrived()).peer, earlier.peer, `restart ${restart}: nothing got out`);
      }
      // A switch that numbers its ports has given it another number, and is told so; a name is the same.
      isDone(await enforcer.apply(port, 'q3', quarantine), kind === 'ovs');
      await nonePass(forbidden);
      await allPass(permitted);
      isDone(await enforcer.release(port, 'q3'), true);
    });

    test('what somebody takes away is noticed, and put back', async () => {
      isDone(await enforcer.apply(port, 'q4', quarantine), true);
      if (kind === 'bridge') await segment.run('nft', 'flush', 'ruleset');
      else await segment.restartDaemon();
      await wait(200);
      assert.notDeepEqual(await held(), ['q4']);
      isDone(await enforcer.apply(port, 'q4', quarantine), true);
      assert.deepEqual(await held(), ['q4']);
      await nonePass(forbidden);
      await allPass(permitted);
      isDone(await enforcer.release(port, 'q4'), true);
      await allPass(forbidden);
    });

    test('a blocked flow is the only one that is stopped, both ways, until it ends by itself', async () => {
      const block = (seconds: number): BlockFlow => ({
        kind: 'block-flow',
        peer: peer.address,
        proto: 'tcp',
        port: 8080,
        direction: 'outbound',
        expiresAt: new Date(Date.now() + seconds * 1000).toISOString(),
      });
      const blocked = {
        out: { by: 'vm', to: 'peer', bytes: datagram({ from: vm, to: peer }, [4000, 8080], 'tcp') },
        back: { by: 'peer', to: 'vm', bytes: datagram({ from: peer, to: vm }, [8080, 4000], 'tcp') },
      } as const;
      const beside = {
        'another port': { by: 'vm', to: 'peer', bytes: datagram({ from: vm, to: peer }, [4000, 80], 'tcp') },
        'the same port by UDP': { by: 'vm', to: 'peer', bytes: datagram({ from: vm, to: peer }, [4000, 8080]) },
        'another peer': { by: 'vm', to: 'management', bytes: datagram({ from: vm, to: management }, [1, 8080], 'tcp') },
        'the other way round': { by: 'peer', to: 'vm', bytes: datagram({ from: peer, to: vm }, [4000, 8080], 'tcp') },
      } as const;
      const order = block(60);
      isDone(await enforcer.apply(port, 'b1', order), true);
      isDone(await enforcer.apply(port, 'b1', order), false);
      await nonePass(blocked);
      await allPass(beside);
      isDone(await enforcer.release(port, 'b1'), true);
      await allPass(blocked);

      isDone(await enforcer.apply(port, 'b2', block(5)), true);
      await nonePass(blocked);
      const deadline = performance.now() + 9000;
      while ((await arrivals(blocked.out, 1)) === 0) {
        assert.ok(performance.now() < deadline, 'the block ends');
        await wait(100);
      }
      assert.notDeepEqual(await held(), ['b2']);
      isDone(await enforcer.release(port, 'b2'), true);
      await allPass({ ...blocked, ...beside });
    });

    test('packets are captured into a bounded file, whose hash is that of the file', async () => {
      const order = { kind: 'capture', seconds: 30, bytes: 4096 } as const;
      isDone(await enforcer.apply(port, 'c1', order), true);
      assert.deepEqual(await held(), ['c1']);
      await segment.send('vm', datagram({ from: vm, to: peer }, [4000, 80]), 20);
      await wait(500);
      isDone(await enforcer.release(port, 'c1'), true);
      const small = files.at(-1);
      assert.ok(small !== undefined && small.packets === 20 && small.endedBy === 'release', JSON.stringify(small));
      assert.equal(createHash('sha256').update(readFileSync(small.path)).digest('hex'), small.sha256);

      isDone(await enforcer.apply(port, 'c2', order), true);
      await segment.send('peer', datagram({ from: peer, to: vm }, [4000, 80]), 200);
      const deadline = performance.now() + 10_000;
      while (files.length < 2) {
        assert.ok(performance.now() < deadline, 'it ends when it is full');
        await wait(50);
      }
      const full = files.at(-1);
      assert.ok(full !== undefined && full.endedBy === 'size' && full.packets > 20, JSON.stringify(full));
      const bytes = readFileSync(full.path);
      assert.ok(bytes.length <= 4096 && bytes.length === full.sizeBytes);
      assert.equal(createHash('sha256').update(bytes).digest('hex'), full.sha256);
      isDone(await enforcer.apply(port, 'c2', order), false);
    });

    test('a rerouted VM reaches others through the inspection point only, once each, and comes back', async () => {
      const out = { by: 'vm', to: 'peer', bytes: datagram({ from: vm, to: peer }, [4000, 80], 'tcp') } as const;
      const back = { by: 'peer', to: 'vm', bytes: datagram({ from: peer, to: vm }, [80, 4000], 'tcp') } as const;
      const cry = { by: 'vm', to: 'peer', bytes: forbidden['to everybody']?.bytes ?? '' } as const;
      const reroute = { kind: 'reroute', through: inspection.bridge } as const;
      isDone(await enforcer.apply(port, 'r1', reroute), true);
      isDone(await enforcer.apply(port, 'r1', reroute), false);
      await arrivals(out, 5);
      const before = await segment.arrived();
      await allPass({ out, back, cry });
      const now = await segment.arrived();
      assert.ok(now.wire - before.wire >= each, 'what comes back has passed the wire');
      await wait(300);
      assert.deepEqual(await segment.arrived(), now, 'a loop would go on by itself');
      await segment.run('ip', 'link', 'set', inspection.wire, 'down');
      assert.equal(await arrivals(out), 0, 'there is no other way');
      await segment.run('ip', 'link', 'set', inspection.wire, 'up');
      isDone(await enforcer.release(port, 'r1'), true);
      await arrivals(out, 5);
      await allPass({ out, back, cry });
      assert.deepEqual(await held(), []);
      await segment.addSecondWire();
      const loop = await enforcer.apply(port, 'r2', reroute);
      assert.match(loop.evidence, /2 ports/, 'a second way between the bridges is a loop');
      const none = await enforcer.apply(port, 'r3', { kind: 'reroute', through: 'nowhere0' });
      assert.equal(none.state, 'failed', 'no way out is no way');
      await allPass({ out, back });
    });

    test('what was ordered for another VM on this device is told, and refused to be built upon', async () => {
      const former = { ...port, vm: '0f3f6a52-0000-4000-8000-000000000002' };
      isDone(await enforcer.apply(former, 'old', quarantine), true);
      const found = await enforcer.inForce(port);
      assert.ok(found.ok && found.value.length === 1 && found.value[0]?.id === 'old');
      assert.equal((await enforcer.apply(port, 'new', quarantine)).state, 'failed');
      isDone(await enforcer.release(port, 'old'), true);
      await allPass({ 'to a peer': forbidden['to a peer'] as Frame });
    });
  });
}
