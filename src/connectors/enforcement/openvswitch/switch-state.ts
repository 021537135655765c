// What Open vSwitch's database says of bridges and ports, and of what we wrote there: for each measure one record in `external_ids` of
// the bridge it was put on. It outlives the flows, which a switch that is started anew has forgotten.
import { createHash } from 'node:crypto';
import type { Json } from '../../../kit/canonical-json.ts';
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { ok, type Result } from '../../../kit/result.ts';
import { openOvsdb, type OvsdbClient } from '../../../protocols/ovsdb/ovsdb-client.ts';
import type { FoundMeasure } from '../verified-measure.ts';
import { cookiePrefix } from './flow-dump.ts';

export interface SwitchState {
  readonly bridges: readonly BridgeState[];
}

export interface BridgeState {
  readonly uuid: string;
  readonly name: string;
  readonly ports: readonly PortState[];
  readonly records: readonly MeasureRecord[];
}

export interface PortState {
  readonly uuid: string;
  readonly interface: string;
  /** Null while the switch has not taken the device. */
  readonly ofport: number | null;
  readonly vlan: number | null;
}

export interface MeasureRecord extends Pick<FoundMeasure, 'id' | 'kind' | 'vm' | 'digest'> {
  readonly interface: string;
  /** How many flows it is. */
  readonly flows: number;
  readonly ofport: number;
  readonly slot: number;
  /** Whether it was us who made the port get nothing that is for everybody. */
  readonly silenced: boolean;
  /** Of a reroute: the bridge behind which the port is. */
  readonly through: string | null;
}

const rowsMax = 65_536;
const keyPrefix = 'plumbline-';
const ofportMax = 65_279;

/** Key of its record and, with our prefix, its cookie. */
export function markOf(vm: string, device: string, id: string): string {
  return createHash('sha256').update([vm, device, id].join('\n')).digest('hex').slice(0, 12);
}

export function cookieOf({ vm, interface: device, id }: Pick<MeasureRecord, 'vm' | 'interface' | 'id'>): string {
  return `0x${cookiePrefix}${markOf(vm, device, id)}`;
}

export async function readSwitch(client: OvsdbClient): Promise<Result<SwitchState>> {
  const select = (table: string, columns: readonly string[]): Json => ({ op: 'select', table, where: [], columns });
  const answer = await client.transact([
    select('Bridge', ['_uuid', 'name', 'ports', 'external_ids']),
    select('Port', ['_uuid', 'interfaces', 'tag']),
    select('Interface', ['_uuid', 'name', 'ofport']),
  ]);
  if (!answer.ok) return answer;
  const [bridges = [], ports = [], interfaces = []] = answer.value.map((result) => rowsOf(result));
  const byUuid = new Map(interfaces.map((row) => [uuidOf(row), row]));
  const portStates = new Map(
    ports.map((row): [string, readonly PortState[]] => {
      const uuid = uuidOf(row);
      const tag = asNumber(row['tag']);
      const members = uuidsOf(row['interfaces'])
        .map((member) => byUuid.get(member))
        .filter((member) => member !== undefined);
      return [uuid, members.map((member) => portState(uuid, member, tag))];
    }),
  );
  return ok({
    bridges: bridges.map((row) => ({
      uuid: uuidOf(row),
      name: asText(row['name']) ?? '',
      ports: uuidsOf(row['ports']).flatMap((uuid) => portStates.get(uuid) ?? []),
      records: recordsOf(row['external_ids']),
    })),
  });
}

/** Every device on Open vSwitch, with the bridge it is on. */
export async function bridgesOfSwitch(database: string): Promise<Result<ReadonlyMap<string, string>>> {
  const client = await openOvsdb(database);
  if (!client.ok) return client;
  const state = await readSwitch(client.value);
  client.value.close();
  if (!state.ok) return state;
  const pairs = state.value.bridges.flatMap(({ name, ports }) =>
    ports.map((port): [string, string] => [port.interface, name]),
  );
  return ok(new Map(pairs));
}

/** Operations that write a record in place of an older one, or take it away. */
export function writeRecord(bridge: string, record: MeasureRecord): readonly Json[] {
  const key = keyOf(record);
  const { kind, id, vm, digest, interface: device, flows, ofport, slot, silenced, through } = record;
  const text = JSON.stringify({ id, kind, vm, digest, interface: device, flows, ofport, slot, silenced, through });
  return [
    mutate(bridge, [
      ['external_ids', 'delete', ['set', [key]]],
      ['external_ids', 'insert', ['map', [[key, text]]]],
    ]),
  ];
}

export function dropRecord(bridge: string, record: MeasureRecord): readonly Json[] {
  return [mutate(bridge, [['external_ids', 'delete', ['set', [keyOf(record)]]]])];
}

/** Operations that move a port, with all that is said of it, from one bridge to another. */
export function movePort(port: string, from: string, to: string): readonly Json[] {
  const set: Json = ['set', [['uuid', port]]];
  return [mutate(from, [['ports', 'delete', set]]), mutate(to, [['ports', 'insert', set]])];
}

/** Put into a transaction whose change the switch's daemon is to say that it has carried out (ovs-vswitchd.conf.db(5), `next_cfg`). */
export const askToBeTaken: Json = {
  op: 'mutate',
  table: 'Open_vSwitch',
  where: [],
  mutations: [['next_cfg', '+=', 1]],
};

/** Whether the daemon has carried out what it was last asked to. */
export async function isTaken(client: OvsdbClient): Promise<Result<boolean>> {
  const columns = ['cur_cfg', 'next_cfg'];
  const answer = await client.transact([{ op: 'select', table: 'Open_vSwitch', where: [], columns }]);
  if (!answer.ok) return answer;
  const row = answer.value.flatMap((result) => rowsOf(result))[0];
  const [current, next] = columns.map((column) => asNumber(row?.[column]));
  return ok(typeof current === 'number' && typeof next === 'number' && current >= next);
}

function mutate(bridge: string, mutations: Json): Json {
  return { op: 'mutate', table: 'Bridge', where: [['_uuid', '==', ['uuid', bridge]]], mutations };
}

function keyOf({ vm, interface: device, id }: MeasureRecord): string {
  return keyPrefix + markOf(vm, device, id);
}

function portState(uuid: string, row: JsonObject, vlan: number | null): PortState {
  const ofport = asNumber(row['ofport']);
  const isUp = ofport !== null && ofport > 0 && ofport <= ofportMax;
  return { uuid, interface: asText(row['name']) ?? '', ofport: isUp ? ofport : null, vlan };
}

/** Whoever may write there may write anything: what is not as we write it is none of ours. */
function recordsOf(cell: Json | undefined): readonly MeasureRecord[] {
  return asList(asList(cell, 2)[1], rowsMax).flatMap((pair) => {
    const [key, value] = asList(pair, 2);
    if (typeof key !== 'string' || typeof value !== 'string' || !key.startsWith(keyPrefix)) return [];
    const record = parseRecord(value);
    return record !== null && key === keyOf(record) ? [record] : [];
  });
}

function parseRecord(text: string): MeasureRecord | null {
  let fields: JsonObject | null = null;
  try {
    fields = asObject(JSON.parse(text.slice(0, 4096)) as Json);
  } catch {
    return null;
  }
  const { id, kind, vm, digest, interface: device, flows, ofport, slot, silenced, through } = fields ?? {};
  const isText = [id, vm, digest, device].every((field) => typeof field === 'string' && /^[\w.-]{1,64}$/.test(field));
  const isNumber = [flows, ofport, slot].every((field) => Number.isSafeInteger(field));
  if (!isText || !isNumber || (kind !== 'quarantine' && kind !== 'block-flow' && kind !== 'reroute')) return null;
  return {
    id: id as string,
    kind,
    vm: vm as string,
    digest: digest as string,
    interface: device as string,
    flows: flows as number,
    ofport: ofport as number,
    slot: slot as number,
    silenced: silenced === true,
    through: asText(through),
  };
}

function rowsOf(result: JsonObject): readonly JsonObject[] {
  return asList(result['rows'], rowsMax)
    .map((row) => asObject(row))
    .filter((row) => row !== null);
}

function uuidOf(row: JsonObject): string {
  return uuidsOf(row['_uuid'])[0] ?? '';
}

/** A cell holds one uuid, or a set of them (RFC 7047, 5.1). */
function uuidsOf(cell: Json | undefined): readonly string[] {
  const [kind, value] = asList(cell, 2);
  if (kind === 'uuid') return typeof value === 'string' ? [value] : [];
  return kind === 'set' ? asList(value, rowsMax).flatMap((member) => uuidsOf(member)) : [];
}

/** A number, or null for an empty set. */
function asNumber(cell: Json | undefined): number | null {
  return typeof cell === 'number' ? cell : null;
}
