// What Open vSwitch's database says of bridges, their ports and who has them exported already; read with ovs-vsctl.
import type { Json } from '../../kit/canonical-json.ts';
import { asList, asObject, asText } from '../../kit/json-object.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { runProgram } from '../../protocols/host-program/run-program.ts';

export interface OvsBridge {
  readonly name: string;
  /** Interface names on it. */
  readonly ports: ReadonlySet<string>;
  readonly exports: Readonly<Record<'ipfix' | 'sflow', OvsExport | null>>;
}

/** Somebody's export of a bridge; `owner` = what a Plumbline wrote of itself, null when it is somebody else's. */
export interface OvsExport {
  readonly uuid: string;
  readonly owner: string | null;
}

/** The key under which our rows carry our mark. */
export const ownerKey = 'plumbline';

const rowsMax = 65_536;
const tables = [
  ['Bridge', 'name,ports,ipfix,sflow'],
  ['Port', '_uuid,interfaces'],
  ['Interface', '_uuid,name'],
  ['IPFIX', '_uuid,external_ids'],
  ['sFlow', '_uuid,external_ids'],
] as const;

/** `ovs-vsctl` with the database it is to ask; it gives up after some seconds. */
export function ovsVsctl(databaseSocket: string, ...commands: readonly (readonly string[])[]): readonly string[] {
  const asked = commands.flatMap((command) => ['--', ...command]);
  return ['ovs-vsctl', `--db=unix:${databaseSocket}`, '--timeout=8', '--format=json', ...asked];
}

export async function readBridges(databaseSocket: string): Promise<Result<readonly OvsBridge[]>> {
  const lists = tables.map(([table, columns]) => [`--columns=${columns}`, 'list', table]);
  const said = await runProgram(ovsVsctl(databaseSocket, ...lists));
  return said.ok ? parseBridges(said.value) : said;
}

/** From the tables of `Bridge`, `Port`, `Interface`, `IPFIX` and `sFlow`, one JSON text a line. */
export function parseBridges(text: string): Result<readonly OvsBridge[]> {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const [bridges, ports, interfaces, ipfix, sflow] = lines.map((line) => rowsOf(line));
  if (bridges === undefined || ports === undefined || interfaces === undefined)
    return fail(problem('unreadable', 'ovs-vsctl did not list bridges, ports and interfaces as JSON.'));
  const names = new Map(interfaces.map((row) => [uuidsOf(row['_uuid'])[0], asText(row['name']) ?? '']));
  const interfacesOf = new Map(ports.map((row) => [uuidsOf(row['_uuid'])[0], uuidsOf(row['interfaces'])]));
  const owners = new Map([...(ipfix ?? []), ...(sflow ?? [])].map((row) => [uuidsOf(row['_uuid'])[0], ownerOf(row)]));
  const exportOf = (cell: Json | undefined): OvsExport | null => {
    const uuid = uuidsOf(cell)[0];
    return uuid === undefined ? null : { uuid, owner: owners.get(uuid) ?? null };
  };
  return ok(
    bridges.map((row) => ({
      name: asText(row['name']) ?? '',
      ports: new Set(
        uuidsOf(row['ports'])
          .flatMap((port) => interfacesOf.get(port) ?? [])
          .flatMap((uuid) => names.get(uuid) ?? []),
      ),
      exports: { ipfix: exportOf(row['ipfix']), sflow: exportOf(row['sflow']) },
    })),
  );
}

type Row = Readonly<Record<string, Json | undefined>>;

function rowsOf(line: string): readonly Row[] {
  try {
    const table = asObject(JSON.parse(line) as Json);
    const headings = asList(table?.['headings'], 64).map((heading) => asText(heading) ?? '');
    return asList(table?.['data'], rowsMax).map((row) => {
      const cells = asList(row, 64);
      return Object.fromEntries(headings.map((heading, index) => [heading, cells[index]]));
    });
  } catch {
    return [];
  }
}

/** A cell holds one uuid, or a set of them (RFC 7047, 5.1). */
function uuidsOf(cell: Json | undefined): readonly string[] {
  const [kind, value] = asList(cell, 2);
  if (kind === 'uuid') return typeof value === 'string' ? [value] : [];
  return kind === 'set' ? asList(value, rowsMax).flatMap((member) => uuidsOf(member)) : [];
}

function ownerOf(row: Row): string | null {
  const pairs = asList(asList(row['external_ids'], 2)[1], 256).map((pair) => asList(pair, 2));
  const own = pairs.find(([key]) => key === ownerKey);
  return asText(own?.[1]);
}
