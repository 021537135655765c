// How long a quarantine takes on each switch, from the order to its having been read back; and what gets out when Open vSwitch's daemon
// dies and is started anew.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { startBareDomain } from '../lab/bare-domain.ts';
import { datagram } from '../lab/frames.ts';
import { openLibvirtHost } from '../lab/libvirt-host.ts';
import {
  bridgeName,
  openSwitchedSegment,
  places,
  type SwitchedSegment,
  type SwitchKind,
} from '../lab/switched-segment.ts';
import { silentLog } from '../src/kit/log.ts';
import type { Quarantine } from '../src/model/network-measure.ts';
import { openDatabase } from '../src/sentinel/database.ts';
import { MeasureMemory } from '../src/sentinel/network/measure-memory.ts';
import { NetworkDesk } from '../src/sentinel/network/network-desk.ts';
import { NetworkSwitches } from '../src/sentinel/network/network-switches.ts';
import { SwitchWatch } from '../src/sentinel/network/switch-watch.ts';
import type { PluggedPort } from '../src/sentinel/network/vm-ports.ts';

export interface QuarantineTimes {
  readonly quarantineMs: readonly number[];
  readonly liftMs: readonly number[];
  /** Frames of a VM that sends one a millisecond and more, while the daemon was restarted; empty on a Linux bridge, which has none. */
  readonly restartLeaks: readonly number[];
}

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const rounds = 200;
/** libvirt takes tens of programs for each. */
const filterRounds = 40;
const restarts = 5;
const vm = '0f3f6a52-0000-4000-8000-000000000001';
const quarantine: Quarantine = { kind: 'quarantine', management: [places.management.address] };

export async function quarantineTimes(kind: SwitchKind): Promise<QuarantineTimes> {
  const segment = await openSwitchedSegment(kind);
  const database = openDatabase(join(mkdtempSync(join(tmpdir(), 'plumbline-bench-')), 'sentinel.db'));
  if (!database.ok) throw new Error(database.error.message);
  const desk = deskOn(segment, new MeasureMemory(database.value), plugOf(segment));
  try {
    const { quarantineMs, liftMs } = await turns(desk, rounds);
    const restartLeaks = segment.ovsDatabase === null ? [] : await leaks(segment, desk, segment.ovsDatabase);
    return { quarantineMs, liftMs, restartLeaks };
  } finally {
    await desk.idle();
    database.value.close();
    await segment.stop();
  }
}

/** By libvirt's network filters, on a guest of a libvirtd of the lab's. */
export async function filterTimes(): Promise<Omit<QuarantineTimes, 'restartLeaks'>> {
  const segment = await openSwitchedSegment('bridge');
  const host = await openLibvirtHost({ namespaceOf: segment.pid });
  const database = openDatabase(join(mkdtempSync(join(tmpdir(), 'plumbline-bench-')), 'sentinel.db'));
  if (!host.ok || !database.ok) throw new Error('no libvirtd, or no database');
  try {
    const tap = 'segbench';
    const card = { name: 'bench', bridge: bridgeName, tap, mac: places.vm.mac };
    const uuid = await startBareDomain(host.value, card);
    if (!uuid.ok) throw new Error(uuid.error.message);
    const { port, ...plug } = plugOf(segment);
    const libvirt = { socket: host.value.socket, uuid: uuid.value };
    const filtered: PluggedPort = { ...plug, port: { ...port, interface: tap }, by: 'nwfilter', libvirt };
    return await turns(deskOn(segment, new MeasureMemory(database.value), filtered), filterRounds);
  } finally {
    database.value.close();
    await host.value.stop();
    await segment.stop();
  }
}

async function turns(desk: NetworkDesk, count: number): Promise<Omit<QuarantineTimes, 'restartLeaks'>> {
  const quarantineMs: number[] = [];
  const liftMs: number[] = [];
  for (let round = 0; round < count; round += 1) {
    quarantineMs.push(await timed(() => desk.apply(vm, `bench-${round}`, quarantine)));
    liftMs.push(await timed(() => desk.lift(vm, `bench-${round}`)));
  }
  return { quarantineMs, liftMs };
}

function plugOf(segment: SwitchedSegment): PluggedPort {
  const { mac, port, address } = places.vm;
  return {
    port: { vm, interface: port, mac, addresses: [address], bridge: bridgeName },
    by: segment.kind === 'ovs' ? 'openvswitch' : 'nftables',
    why: null,
    namespacePid: segment.pid,
  };
}

function deskOn(segment: SwitchedSegment, memory: MeasureMemory, plug: PluggedPort): NetworkDesk {
  const switches = new NetworkSwitches({
    patience: { clock, sleep: (ms) => wait(ms) },
    evidence: tmpdir(),
    ovsDatabase: segment.ovsDatabase ?? '/nowhere',
    captured: () => undefined,
    lost: () => undefined,
  });
  return new NetworkDesk({
    memory,
    clock,
    log: silentLog,
    ports: () => Promise.resolve({ ok: true, value: [plug] }),
    enforcer: (port) => switches.of(port),
    guard: () => undefined,
  });
}

async function leaks(segment: SwitchedSegment, desk: NetworkDesk, database: string): Promise<readonly number[]> {
  const watch = new SwitchWatch(database, {
    changed: () => desk.reconcile(new Set()),
    isNeeded: () => desk.hasFlowsOn('openvswitch'),
    log: silentLog,
  });
  await watch.attend();
  const outcome = await desk.apply(vm, 'restarted', quarantine);
  if (outcome.state !== 'done') throw new Error(outcome.evidence);
  const out = datagram({ from: places.vm, to: places.peer }, [4000, 80]);
  const leaked: number[] = [];
  for (let round = 0; round < restarts; round += 1) {
    const earlier = (await segment.arrived()).peer;
    const before = desk.health().putBack;
    const sending = segment.send('vm', out, 15_000);
    await segment.restartDaemon();
    while (desk.health().putBack === before) await wait(5);
    await sending;
    await wait(100);
    leaked.push((await segment.arrived()).peer - earlier);
  }
  await watch.close();
  await desk.lift(vm, 'restarted');
  return leaked;
}

async function timed(work: () => Promise<{ readonly state: string; readonly evidence: string }>): Promise<number> {
  const from = performance.now();
  const outcome = await work();
  const tookMs = performance.now() - from;
  if (outcome.state !== 'done') throw new Error(outcome.evidence);
  return tookMs;
}
