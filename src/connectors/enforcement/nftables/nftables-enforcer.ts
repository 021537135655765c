// Carries out measures on ports of Linux bridges, through nftables: one table of our own, changed in whole transactions, read
// back from the kernel. Other tables are never touched.
import { wayThroughObstacle } from '../inspection-way.ts';
import type { Json } from '../../../kit/canonical-json.ts';
import { type Problem, problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { runProgram, within } from '../../../protocols/host-program/run-program.ts';
import { type HostLink, readLinks } from '../../../protocols/iproute/host-links.ts';
import type { CheckedOrder, CheckedPort } from '../checked-order.ts';
import type { NetworkEnforcer } from '../network-enforcer.ts';
import type { PacketCapture } from '../packet-capture.ts';
import type { Patience } from '../verified-action.ts';
import { type FoundMeasure, type SwitchControl, verifiedNetworkEnforcer } from '../verified-measure.ts';
import { element, rulesOf } from './measure-rules.ts';
import { commentOf, emptyTable, type FoundInTable, readTable, type TableReading } from './read-table.ts';
import {
  addChain,
  addPeerSet,
  addRule,
  deleteChain,
  deleteSet,
  deleteTable,
  flushChain,
  layFoundation,
  type MeasureNames,
  measureNames,
  pointAt,
  pointAway,
  portChain,
  table,
  ways,
} from './table-layout.ts';

export interface NftablesOptions {
  /** A process in the bridges' network namespace; null = ours. */
  readonly namespacePid: number | null;
  readonly patience: Patience;
  readonly capture: PacketCapture | null;
}

export function nftablesEnforcer(options: NftablesOptions): NetworkEnforcer {
  return verifiedNetworkEnforcer(nftablesControl(options.namespacePid), options.capture, options.patience);
}

function nftablesControl(namespacePid: number | null): SwitchControl {
  const run = (argv: readonly string[], input?: string): Promise<Result<string>> =>
    runProgram(within(namespacePid, argv), input);
  // What was read is acted upon once: asking twice would double the time until a VM is cut off.
  let lately: { readonly device: string; readonly found: TableReading } | null = null;
  const read = async (port: CheckedPort): Promise<Result<TableReading>> => {
    const found = await readFrom(run, port.interface);
    lately = found.ok ? { device: port.interface, found: found.value } : null;
    return found;
  };
  const readLately = async (port: CheckedPort): Promise<Result<TableReading>> => {
    const known = lately;
    lately = null;
    return known?.device === port.interface ? ok(known.found) : readFrom(run, port.interface);
  };
  const links = (): Promise<Result<readonly HostLink[]>> => readLinks(namespacePid);
  return {
    backend: 'nftables',
    obstacle: async (port) => bridgeObstacle(await links(), port.interface),
    async rerouteObstacle(port, through) {
      const found = await read(port);
      return found.ok ? wayObstacle(await links(), port.interface, through, found.value.rerouted) : found.error;
    },
    async read(port) {
      const found = await read(port);
      if (!found.ok) return found;
      if (!found.value.measures.some(({ kind }) => kind === 'reroute')) return ok(found.value.measures);
      return ok(await withWays(found.value.measures, await links(), port.interface));
    },
    async put(order) {
      const found = await readLately(order.port);
      if (!found.ok) return found;
      return putMeasure(run, order, found.value, links);
    },
    async take(port, id) {
      const found = await readLately(port);
      if (!found.ok) return found;
      return takeMeasure(run, port, id, found.value);
    },
  };
}

type Run = (argv: readonly string[], input?: string) => Promise<Result<string>>;

async function readFrom(run: Run, device: string): Promise<Result<TableReading>> {
  const listed = await run(['nft', '-j', 'list', 'table', table.family, table.name]);
  if (listed.ok) return readTable(listed.value, device);
  // No such table is nothing in force; that nft cannot be asked is not.
  const tables = await run(['nft', '-j', 'list', 'tables', table.family]);
  if (!tables.ok) return tables;
  return tables.value.includes(`"${table.name}"`) ? listed : ok(emptyTable);
}

/** What one argument of a program may hold (MAX_ARG_STRLEN is 131 072). */
const transactionMax = 120_000;

/**
 * As one argument, which no shell sees: with `-f -` nft opens its standard input by name, and that works for no socket, which is what
 * this runtime gives a child.
 */
async function transact(run: Run, commands: readonly Json[]): Promise<Result<void>> {
  const text = JSON.stringify({ nftables: commands });
  if (text.length > transactionMax)
    return fail(
      problem('refused', `The port has so many measures that nft cannot take them at once (${text.length}).`),
    );
  const done = await run(['nft', '-j', text]);
  return done.ok ? ok(undefined) : done;
}

async function putMeasure(
  run: Run,
  order: CheckedOrder,
  found: TableReading,
  links: () => Promise<Result<readonly HostLink[]>>,
): Promise<Result<void>> {
  const { port, id, measure } = order;
  const names = measureNames(port.vm, port.interface, id);
  const known = found.measures.find((other) => other.names.from === names.from);
  let home: string | null = null;
  if (measure.kind === 'reroute') {
    const now = await links();
    if (!now.ok) return now;
    const bridge = now.value.find(({ name }) => name === port.interface)?.bridge ?? null;
    home = bridge === measure.through ? (known?.home ?? port.bridge) : bridge;
    if (home === null || home === measure.through) return fail(noHome(port.interface));
  }
  const others = found.measures.map((other) => other.names).filter((other) => other.from !== names.from);
  const written = await transact(run, [
    ...layFoundation(),
    ...ruleCommands(order, names, home),
    ...portCommands(port.interface, [...others, names]),
  ]);
  if (!written.ok || measure.kind !== 'reroute') return written;
  return move(run, port.interface, measure.through);
}

function ruleCommands(order: CheckedOrder, names: MeasureNames, home: string | null): readonly Json[] {
  const rules = rulesOf(order, names.peer);
  const { id, digest, port, measure } = order;
  const said = { id, kind: measure.kind, vm: port.vm, digest };
  const total = rules.fromVm.length + rules.toVm.length;
  const commented = (chain: string, list: readonly (readonly Json[])[], before: number): readonly Json[] => [
    addChain(chain),
    flushChain(chain),
    ...list.map((expr, index) => addRule(chain, expr, commentOf(said, before + index + 1, total, home))),
  ];
  const { peer } = rules;
  const type = peer?.block.family === 6 ? 'ipv6_addr' : 'ipv4_addr';
  return [
    ...(peer === null ? [] : addPeerSet(names.peer, type, element(peer.block), peer.seconds)),
    ...commented(names.from, rules.fromVm, 0),
    ...commented(names.to, rules.toVm, rules.fromVm.length),
  ];
}

function portCommands(device: string, measures: readonly MeasureNames[]): readonly Json[] {
  return ways.flatMap((way): Json[] => {
    const chain = portChain(way, device);
    const jumps = measures.map((names) => addRule(chain, [{ jump: { target: names[way] } }]));
    // A measure whose other half somebody took away still has its name in the port's chain.
    const targets = measures.map((names) => addChain(names[way]));
    return [...targets, addChain(chain), flushChain(chain), ...jumps, pointAt(way, device)];
  });
}

async function takeMeasure(run: Run, port: CheckedPort, id: string, found: TableReading): Promise<Result<void>> {
  const taken = found.measures.filter((measure) => measure.id === id);
  for (const { kind, home } of taken) {
    if (kind !== 'reroute' || home === null) continue;
    const moved = await move(run, port.interface, home);
    if (!moved.ok) return moved;
  }
  const left = found.measures.filter((measure) => measure.id !== id).map(({ names }) => names);
  const others = ways.some((way) => [...found.devices[way]].some((device) => device !== port.interface));
  if (left.length === 0 && !others) return transact(run, [deleteTable()]);
  const chains = taken.flatMap(({ names }) => ways.map((way) => names[way])).filter((name) => found.chains.has(name));
  return transact(run, [
    ...(left.length > 0 ? portCommands(port.interface, left) : closePort(port.interface, found)),
    ...chains.flatMap((name) => [flushChain(name), deleteChain(name)]),
    ...taken.flatMap(({ names }) => (found.sets.has(names.peer) ? [deleteSet(names.peer)] : [])),
  ]);
}

function closePort(device: string, found: TableReading): readonly Json[] {
  return ways.flatMap((way): Json[] => {
    const chain = portChain(way, device);
    return [
      ...(found.devices[way].has(device) ? [pointAway(way, device)] : []),
      ...(found.chains.has(chain) ? [flushChain(chain), deleteChain(chain)] : []),
    ];
  });
}

async function move(run: Run, device: string, bridge: string): Promise<Result<void>> {
  const moved = await run(['ip', 'link', 'set', 'dev', device, 'master', bridge]);
  return moved.ok ? ok(undefined) : moved;
}

async function withWays(
  measures: readonly FoundInTable[],
  links: Result<readonly HostLink[]>,
  device: string,
): Promise<readonly FoundMeasure[]> {
  const bridge = links.ok ? (links.value.find(({ name }) => name === device)?.bridge ?? null) : null;
  return measures.map((measure) => {
    if (measure.kind !== 'reroute' || measure.missing !== null) return measure;
    const isHome = bridge === null || bridge === measure.home;
    return isHome ? { ...measure, missing: `${device} is on ${bridge ?? 'no bridge'}` } : measure;
  });
}

function bridgeObstacle(links: Result<readonly HostLink[]>, device: string): Problem | null {
  if (!links.ok) return links.error;
  const link = links.value.find(({ name }) => name === device);
  if (link === undefined) return problem('not-found', `There is no device ${device} on this host.`);
  if (link.bridge !== null) return null;
  return problem('refused', `${device} is on no Linux bridge, so that nftables sees none of its frames.`);
}

function wayObstacle(
  links: Result<readonly HostLink[]>,
  device: string,
  through: string,
  rerouted: ReadonlySet<string>,
): Problem | null {
  if (!links.ok) return links.error;
  const all = links.value.filter(({ bridge }) => bridge === through);
  if (all.some(({ name }) => name === device)) return null;
  return wayThroughObstacle(through, all.filter(({ name }) => !rerouted.has(name)).length, 'Linux bridge');
}

function noHome(device: string): Problem {
  return problem('refused', `${device} cannot be rerouted: the bridge to bring it back to is not known.`);
}
