// What `nft -j list table bridge plumbline` says is in force. The kernel's list is somebody else's text: whatever is not as we write it
// is missing, and never believed to be in force.
import type { Json } from '../../../kit/canonical-json.ts';
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { NetworkMeasureKind } from '../../../model/network-measure.ts';
import type { FoundMeasure } from '../verified-measure.ts';
import {
  foundationFault,
  mapOf,
  namesFromChain,
  portChain,
  type MeasureNames,
  type Way,
  ways,
} from './table-layout.ts';

export interface FoundInTable extends FoundMeasure {
  readonly names: MeasureNames;
  /** Of a reroute: the bridge to go back to. */
  readonly home: string | null;
}

export interface TableReading {
  /** Of one device. */
  readonly measures: readonly FoundInTable[];
  /** Chains and sets by name, elements of the maps: so that no more is taken away than is there. */
  readonly chains: ReadonlySet<string>;
  readonly sets: ReadonlySet<string>;
  readonly devices: Readonly<Record<Way, ReadonlySet<string>>>;
  /** Devices of all ports that were moved behind an inspection point. */
  readonly rerouted: ReadonlySet<string>;
}

export const emptyTable: TableReading = {
  measures: [],
  chains: new Set(),
  sets: new Set(),
  devices: { from: new Set(), to: new Set() },
  rerouted: new Set(),
};

const objectsMax = 200_000;
const rulesPerChainMax = 1024;
const comment =
  /^([A-Za-z0-9._-]{1,64}) (quarantine|block-flow|reroute) ([0-9a-f]{12}) ([0-9a-f]{8}) (\d{1,3})\/(\d{1,3})(?: home=(\S{1,15}))?$/;

/** Written on each rule: whose it is, of how many it is which. `home`: of a reroute. 119 octets at most; nft takes 127. */
export function commentOf(
  { id, kind, vm, digest }: Pick<FoundMeasure, 'id' | 'kind' | 'vm' | 'digest'>,
  number: number,
  total: number,
  home: string | null,
): string {
  return `${id} ${kind} ${vm} ${digest} ${number}/${total}${home === null ? '' : ` home=${home}`}`;
}

interface Rule {
  readonly comment: string | null;
  readonly expr: readonly Json[];
}

export function readTable(text: string, device: string): Result<TableReading> {
  const objects = objectsOf(text);
  if (objects === null) return fail(problem('unreadable', 'nft did not list the table `bridge plumbline` as JSON.'));
  const chains = new Map<string, { hook: string | null; priority: number | null }>();
  const rules = new Map<string, Rule[]>();
  const sets = new Map<string, JsonObject>();
  for (const object of objects) {
    const chain = asObject(object['chain']);
    const rule = asObject(object['rule']);
    const set = asObject(object['set'] ?? object['map']);
    if (chain !== null) chains.set(nameOf(chain), { hook: asText(chain['hook']), priority: asNumber(chain['prio']) });
    if (set !== null) sets.set(nameOf(set), set);
    if (rule === null) continue;
    const list = rules.get(asText(rule['chain']) ?? '') ?? [];
    list.push({ comment: asText(rule['comment']), expr: asList(rule['expr'], 64) });
    rules.set(asText(rule['chain']) ?? '', list);
  }
  const fault = foundationFault(
    chains,
    new Map([...rules].map(([name, list]) => [name, list.map(({ expr }) => expr)])),
  );
  const devices = { from: elementsOf(sets.get(mapOf('from'))), to: elementsOf(sets.get(mapOf('to'))) };
  const around = { device, rules, sets, fault, devices };
  return ok({
    measures: chainsOfPort(device, rules).flatMap((names) => measureOf(names, around) ?? []),
    chains: new Set(chains.keys()),
    sets: new Set(sets.keys()),
    devices: { from: new Set(devices.from.keys()), to: new Set(devices.to.keys()) },
    rerouted: new Set([...devices.from.keys()].filter((other) => isRerouted(other, rules))),
  });
}

function isRerouted(device: string, rules: ReadonlyMap<string, readonly Rule[]>): boolean {
  const named = chainsOfPort(device, rules).flatMap((names) => rules.get(names.from) ?? []);
  return named.some((rule) => comment.exec(rule.comment ?? '')?.[2] === 'reroute');
}

function chainsOfPort(device: string, rules: ReadonlyMap<string, readonly Rule[]>): readonly MeasureNames[] {
  const jumps = ways.flatMap((way) => targetsOf(rules.get(portChain(way, device)) ?? []));
  const names = jumps.flatMap((chain) => namesFromChain(chain) ?? []);
  return [...new Map(names.map((name) => [name.from, name])).values()];
}

interface Around {
  readonly device: string;
  readonly rules: ReadonlyMap<string, readonly Rule[]>;
  readonly sets: ReadonlyMap<string, JsonObject>;
  readonly fault: string | null;
  readonly devices: Readonly<Record<Way, ReadonlyMap<string, string>>>;
}

function measureOf(names: MeasureNames, around: Around): FoundInTable | null {
  const both = ways.flatMap((way) => around.rules.get(names[way]) ?? []).slice(0, rulesPerChainMax);
  const said = both.map((rule) => comment.exec(rule.comment ?? ''));
  const first = said.find((found) => found !== null);
  if (first == null) return null;
  const [, id = '', kind, vm = '', digest = '', , total, home] = first;
  const numbers = said.map((found) => (found !== null && found[1] === id && found[4] === digest ? found[5] : '?'));
  const whole = Array.from({ length: Number(total) }, (_, index) => String(index + 1)).join();
  const endsInMs = kind === 'block-flow' ? endOf(around.sets.get(names.peer)) : null;
  return {
    id,
    kind: kind as NetworkMeasureKind,
    vm,
    digest,
    missing:
      wiringFault(names, around) ?? (numbers.join() === whole ? null : 'some of its rules') ?? endFault(kind, endsInMs),
    endsInMs,
    words: `nftables: ${kind} ${id} on ${around.device}, ${both.length} rules, ${droppedBy(both)} packets dropped`,
    names,
    home: home ?? null,
  };
}

/** What keeps its rules from being asked; null = nothing does. */
function wiringFault(names: MeasureNames, { device, rules, fault, devices }: Around): string | null {
  if (fault !== null) return fault;
  for (const way of ways) {
    if (devices[way].get(device) !== portChain(way, device)) return `the map ${mapOf(way)} does not lead to the port`;
    if (!targetsOf(rules.get(portChain(way, device)) ?? []).includes(names[way])) return `the port does not lead to it`;
  }
  return null;
}

function endFault(kind: string | undefined, endsInMs: number | null): string | null {
  return kind === 'block-flow' && endsInMs === null ? 'it has ended: its peer is not held any more' : null;
}

/** Null when the kernel has forgotten the peer. */
function endOf(set: JsonObject | undefined): number | null {
  const element = asObject(asObject(asList(set?.['elem'], 4)[0])?.['elem']);
  const seconds = asNumber(element?.['expires']);
  return seconds === null ? null : seconds * 1000;
}

function droppedBy(rules: readonly Rule[]): number {
  const counters = rules
    .filter(({ expr }) => expr.some((part) => asObject(part)?.['drop'] === null))
    .flatMap(({ expr }) => expr.map((part) => asNumber(asObject(asObject(part)?.['counter'])?.['packets']) ?? 0));
  return counters.reduce((sum, packets) => sum + packets, 0);
}

function targetsOf(rules: readonly Rule[]): readonly string[] {
  return rules.flatMap(({ expr }) => {
    const target = asText(asObject(asObject(expr[0])?.['jump'])?.['target']);
    return target === null || expr.length !== 1 ? [] : [target];
  });
}

/** Device to the chain it leads to. */
function elementsOf(map: JsonObject | undefined): ReadonlyMap<string, string> {
  return new Map(
    asList(map?.['elem'], objectsMax).flatMap((element): [string, string][] => {
      const [key, verdict] = asList(element, 2);
      const target = asText(asObject(asObject(verdict)?.['goto'])?.['target']);
      return typeof key === 'string' ? [[key, target ?? '']] : [];
    }),
  );
}

function objectsOf(text: string): readonly JsonObject[] | null {
  try {
    const list = asObject(JSON.parse(text) as Json)?.['nftables'];
    if (!Array.isArray(list)) return null;
    return asList(list, objectsMax)
      .map((object) => asObject(object))
      .filter((object) => object !== null);
  } catch {
    return null;
  }
}

function nameOf(object: JsonObject): string {
  return asText(object['name']) ?? '';
}

function asNumber(value: Json | undefined): number | null {
  return typeof value === 'number' ? value : null;
}
