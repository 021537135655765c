// Carries out measures on ports of Open vSwitch: flows through `ovs-ofctl`, in one bundle written to its standard input; records and
// moves of ports through its database. Flows of others are never touched: ours are known by their cookie.
import { dirname, join } from 'node:path';
import { type Problem, problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { runProgram } from '../../../protocols/host-program/run-program.ts';
import { openOvsdb, type OvsdbClient } from '../../../protocols/ovsdb/ovsdb-client.ts';
import { wayThroughObstacle } from '../inspection-way.ts';
import type { CheckedOrder, CheckedPort } from '../checked-order.ts';
import type { NetworkEnforcer } from '../network-enforcer.ts';
import type { PacketCapture } from '../packet-capture.ts';
import type { Patience } from '../verified-action.ts';
import { type FoundMeasure, type SwitchControl, verifiedNetworkEnforcer } from '../verified-measure.ts';
import { type DumpedFlows, ourCookies, parseFlows, quietPorts } from './flow-dump.ts';
import { blockSlots, flowsOf } from './flows.ts';
import { forgetDecisions, untilTaken } from './switch-cache.ts';
import {
  askToBeTaken,
  type BridgeState,
  cookieOf,
  dropRecord,
  type MeasureRecord,
  movePort,
  type PortState,
  readSwitch,
  type SwitchState,
  writeRecord,
} from './switch-state.ts';

export interface OpenVswitchOptions {
  /** Unix socket of its database; the bridges' own sockets lie beside it. */
  readonly database: string;
  readonly patience: Patience;
  readonly capture: PacketCapture | null;
}

const flowsMax = 4096;

export function openVswitchEnforcer({ database, patience, capture }: OpenVswitchOptions): NetworkEnforcer {
  return verifiedNetworkEnforcer(openVswitchControl(database, patience), capture, patience);
}

function openVswitchControl(database: string, patience: Patience): SwitchControl {
  const withState = async <T>(
    work: (state: SwitchState, client: OvsdbClient) => Promise<Result<T>>,
  ): Promise<Result<T>> => {
    const client = await openOvsdb(database);
    if (!client.ok) return client;
    try {
      const state = await readSwitch(client.value);
      return state.ok ? await work(state.value, client.value) : state;
    } finally {
      client.value.close();
    }
  };
  const flows = openFlow(dirname(database));
  const obstacle = async (find: (state: SwitchState) => Problem | null): Promise<Problem | null> => {
    const found = await withState(async (state) => ok(find(state)));
    return found.ok ? found.value : found.error;
  };
  return {
    backend: 'openvswitch',
    obstacle: (port) => obstacle((state) => (placeOf(state, port.interface) === null ? noPort(port.interface) : null)),
    rerouteObstacle: (port, through) => obstacle((state) => wayObstacle(state, port.interface, through)),
    read: (port) => withState((state) => readMeasures(state, port.interface, flows)),
    put: (order) => withState((state, client) => putMeasure(order, state, client, flows)),
    take: (port, id) => withState((state, client) => takeMeasure(port, id, state, client, flows)),
    async settle() {
      const client = await openOvsdb(database);
      if (!client.ok) return client;
      try {
        const taken = await untilTaken(client.value, patience);
        return taken.ok ? await forgetDecisions(database) : taken;
      } finally {
        client.value.close();
      }
    },
  };
}

interface OpenFlow {
  dump(bridge: string): Promise<Result<ReadonlyMap<string, DumpedFlows>>>;
  quiet(bridge: string): Promise<Result<ReadonlySet<number>>>;
  /** All of these lines or none. */
  change(bridge: string, lines: readonly string[]): Promise<Result<void>>;
  flood(bridge: string, ofport: number, on: boolean): Promise<Result<void>>;
}

/** Bundles are of OpenFlow 1.4; whether a port gets what is for everybody is of 1.0 only. Bridges allow both unless told otherwise. */
function openFlow(directory: string): OpenFlow {
  const run = (version: 10 | 14, argv: readonly string[], input?: string): Promise<Result<string>> =>
    runProgram(['ovs-ofctl', '-O', `OpenFlow${version}`, '--timeout=8', ...argv], input);
  const at = (bridge: string): string => `unix:${join(directory, `${bridge}.mgmt`)}`;
  return {
    async dump(bridge) {
      const said = await run(14, ['dump-flows', at(bridge), ourCookies]);
      return said.ok ? ok(parseFlows(said.value)) : said;
    },
    async quiet(bridge) {
      const said = await run(10, ['show', at(bridge)]);
      return said.ok ? ok(quietPorts(said.value)) : said;
    },
    async change(bridge, lines) {
      const done = await run(14, ['--bundle', 'add-flows', at(bridge), '-'], `${lines.join('\n')}\n`);
      return done.ok ? ok(undefined) : done;
    },
    async flood(bridge, ofport, on) {
      const done = await run(10, ['mod-port', at(bridge), String(ofport), on ? 'flood' : 'no-flood']);
      return done.ok ? ok(undefined) : done;
    },
  };
}

interface Place {
  readonly bridge: BridgeState;
  readonly port: PortState;
}

function placeOf(state: SwitchState, device: string): Place | null {
  for (const bridge of state.bridges) {
    const port = bridge.ports.find((other) => other.interface === device);
    if (port !== undefined) return { bridge, port };
  }
  return null;
}

function recordsOn(state: SwitchState, device: string): readonly { bridge: BridgeState; record: MeasureRecord }[] {
  return state.bridges.flatMap((bridge) =>
    bridge.records.filter((record) => record.interface === device).map((record) => ({ bridge, record })),
  );
}

async function readMeasures(
  state: SwitchState,
  device: string,
  flows: OpenFlow,
): Promise<Result<readonly FoundMeasure[]>> {
  const place = placeOf(state, device);
  const found: FoundMeasure[] = [];
  for (const { bridge, record } of recordsOn(state, device)) {
    const [dumped, quiet] = await Promise.all([
      record.kind === 'reroute' ? ok(new Map<string, DumpedFlows>()) : flows.dump(bridge.name),
      record.kind === 'quarantine' ? flows.quiet(bridge.name) : ok(new Set<number>()),
    ]);
    if (!dumped.ok) return dumped;
    const own = dumped.value.get(cookieOf(record)) ?? { count: 0, dropped: 0, endsInMs: null };
    if (!quiet.ok) return quiet;
    const missing = place === null ? `${device} is on no bridge` : missingOf(record, bridge, place, own, quiet.value);
    const { id, kind, vm, digest } = record;
    const words = `Open vSwitch: ${kind} ${id} on ${device} of ${bridge.name}, ${own.count} flows, ${own.dropped} packets dropped`;
    found.push({ id, kind, vm, digest, missing, endsInMs: own.endsInMs, words });
  }
  return ok(found);
}

function missingOf(
  record: MeasureRecord,
  bridge: BridgeState,
  place: Place,
  flows: DumpedFlows,
  quiet: ReadonlySet<number>,
): string | null {
  const { kind, through, interface: device } = record;
  if (kind === 'reroute') return place.bridge.name === through ? null : `${device} is on ${place.bridge.name}`;
  if (place.bridge.uuid !== bridge.uuid) return `${device} is on ${place.bridge.name} now`;
  if (kind === 'block-flow' && flows.count === 0) return 'it has ended: its flows are gone';
  if (flows.count !== record.flows) return `${flows.count} of its ${record.flows} flows are there`;
  if (place.port.ofport !== record.ofport)
    return `${device} is port ${place.port.ofport ?? 'none'}, not ${record.ofport}`;
  return kind === 'quarantine' && !quiet.has(record.ofport) ? `${device} gets what is for everybody` : null;
}

async function putMeasure(
  order: CheckedOrder,
  state: SwitchState,
  client: OvsdbClient,
  flows: OpenFlow,
): Promise<Result<void>> {
  const { id, port, measure, digest } = order;
  const place = placeOf(state, port.interface);
  if (place === null || place.port.ofport === null) return fail(noPort(port.interface));
  const { ofport, vlan } = place.port;
  const known = recordsOn(state, port.interface).find(({ record }) => record.id === id && record.vm === port.vm);
  const said = { id, kind: measure.kind, vm: port.vm, digest, interface: port.interface, ofport, slot: 0, flows: 0 };
  if (measure.kind === 'reroute')
    return reroute(place, { ...said, silenced: false, through: measure.through }, state, client, known?.bridge ?? null);

  const slot = known?.bridge.uuid === place.bridge.uuid ? known.record.slot : freeSlot(place.bridge);
  if (slot === null)
    return fail(problem('refused', `${place.bridge.name} has ${blockSlots} measures, which is the most.`));
  const cookie = cookieOf({ ...said, vm: port.vm });
  const lines = flowsOf(order, { ofport, vlan }, cookie, slot);
  if (lines.length > flowsMax)
    return fail(
      problem(
        'refused',
        `The measure would take ${lines.length} flows, and ${flowsMax} are the most.`,
        'Name fewer addresses.',
      ),
    );
  const isQuarantine = measure.kind === 'quarantine';
  const quiet = isQuarantine ? await flows.quiet(place.bridge.name) : ok(new Set<number>());
  if (!quiet.ok) return quiet;
  const silenced = isQuarantine && (!quiet.value.has(ofport) || known?.record.silenced === true);
  // First what is to be: whoever dies now is found to have left it half done.
  const moved =
    known !== undefined && known.bridge.uuid !== place.bridge.uuid ? dropRecord(known.bridge.uuid, known.record) : [];
  const record: MeasureRecord = { ...said, flows: lines.length, slot, silenced, through: null };
  const written = await client.transact([...moved, ...writeRecord(place.bridge.uuid, record)]);
  if (!written.ok) return written;
  const [changed, silent] = await Promise.all([
    flows.change(place.bridge.name, [`delete cookie=${cookie}/-1`, ...lines.map((line) => `add ${line}`)]),
    isQuarantine ? flows.flood(place.bridge.name, ofport, false) : ok(undefined),
  ]);
  return changed.ok ? silent : changed;
}

/** Its record stays on the bridge it comes back to. */
async function reroute(
  place: Place,
  record: MeasureRecord,
  state: SwitchState,
  client: OvsdbClient,
  known: BridgeState | null,
): Promise<Result<void>> {
  const target = state.bridges.find(({ name }) => name === record.through);
  if (target === undefined) return fail(problem('not-found', `There is no bridge ${record.through ?? ''}.`));
  const home = place.bridge.uuid === target.uuid ? known : place.bridge;
  if (home === null)
    return fail(
      problem('refused', `${record.interface} is on ${target.name} already: where it came from is not known.`),
    );
  const forget = known !== null && known.uuid !== home.uuid ? dropRecord(known.uuid, record) : [];
  const move = place.bridge.uuid === target.uuid ? [] : movePort(place.port.uuid, home.uuid, target.uuid);
  const done = await client.transact([...forget, ...writeRecord(home.uuid, record), ...move, askToBeTaken]);
  return done.ok ? ok(undefined) : done;
}

async function takeMeasure(
  port: CheckedPort,
  id: string,
  state: SwitchState,
  client: OvsdbClient,
  flows: OpenFlow,
): Promise<Result<void>> {
  const place = placeOf(state, port.interface);
  for (const { bridge, record } of recordsOn(state, port.interface)) {
    if (record.id !== id) continue;
    if (record.kind === 'reroute') {
      const away = place !== null && place.bridge.name === record.through;
      const back = away ? movePort(place.port.uuid, place.bridge.uuid, bridge.uuid) : [];
      const done = await client.transact([...back, ...dropRecord(bridge.uuid, record), askToBeTaken]);
      if (!done.ok) return done;
      continue;
    }
    const changed = await flows.change(bridge.name, [`delete cookie=${cookieOf(record)}/-1`]);
    if (!changed.ok) return changed;
    const ofport = place !== null && place.bridge.uuid === bridge.uuid ? place.port.ofport : null;
    if (record.silenced && ofport !== null) {
      const heard = await flows.flood(bridge.name, ofport, true);
      if (!heard.ok) return heard;
    }
    const dropped = await client.transact(dropRecord(bridge.uuid, record));
    if (!dropped.ok) return dropped;
  }
  return ok(undefined);
}

function freeSlot({ records }: BridgeState): number | null {
  const taken = new Set(records.map(({ slot }) => slot));
  for (let slot = 0; slot < blockSlots; slot += 1) if (!taken.has(slot)) return slot;
  return null;
}

function wayObstacle(state: SwitchState, device: string, through: string): Problem | null {
  const target = state.bridges.find(({ name }) => name === through);
  if (target?.ports.some((port) => port.interface === device) === true) return null;
  const records = state.bridges.flatMap((bridge) => bridge.records);
  const rerouted = new Set(records.filter(({ kind }) => kind === 'reroute').map((record) => record.interface));
  const ports = (target?.ports ?? []).filter((port) => port.interface !== through && !rerouted.has(port.interface));
  return wayThroughObstacle(through, ports.length, 'bridge');
}

function noPort(device: string): Problem {
  return problem('refused', `${device} is on no bridge of Open vSwitch, or the switch has not taken it.`);
}
