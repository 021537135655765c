// Has Open vSwitch tell us of a bridge's traffic: IPFIX to count, sFlow for the packets themselves. A bridge can serve one
// listener of each kind: what somebody else has set stays. Ours is marked, and taken back at the end or after a crash.
import { readFileSync } from 'node:fs';
import { ok, type Result } from '../../kit/result.ts';
import { ovsVsctl, ownerKey, readBridges, type OvsBridge, type OvsExport } from './ovs-database.ts';
import { runProgram } from '../../protocols/host-program/run-program.ts';

export interface ExportPorts {
  readonly ipfix: number;
  readonly sflow: number;
  /** Tells this bridge's exporter from others. */
  readonly domain: number;
}

/** What of a bridge is ours to hear. */
export type Exported = Readonly<Record<'ipfix' | 'sflow', boolean>>;

/** Deltas are at most this old: Open vSwitch counts in whole seconds. */
const tellEverySeconds = 1;
const flowsPerBridge = 16_384;
/** As many bytes of a packet as sFlow of Open vSwitch gives. */
const headerBytes = 256;

export async function exportBridge(socket: string, bridge: OvsBridge, ports: ExportPorts): Promise<Result<Exported>> {
  const ours: Exported = { ipfix: isFree(bridge.exports.ipfix), sflow: isFree(bridge.exports.sflow) };
  const mark = `external_ids:${ownerKey}="${ownerMark(process.pid)}"`;
  const commands: (readonly string[])[] = [];
  if (ours.ipfix) {
    const cache = [`cache_active_timeout=${tellEverySeconds}`, `cache_max_flows=${flowsPerBridge}`];
    // Told of where packets enter and where they leave: which of the two is switched off by which setting differs by version.
    const to = [`targets="127.0.0.1:${ports.ipfix}"`, `obs_domain_id=${ports.domain}`, 'obs_point_id=1', 'sampling=1'];
    commands.push(['--id=@ipfix', 'create', 'IPFIX', ...to, ...cache, mark]);
    commands.push(['set', 'Bridge', bridge.name, 'ipfix=@ipfix']);
  }
  if (ours.sflow) {
    const to = [`targets="127.0.0.1:${ports.sflow}"`, 'agent=lo', `header=${headerBytes}`, 'sampling=1', 'polling=0'];
    commands.push(['--id=@sflow', 'create', 'sFlow', ...to, mark]);
    commands.push(['set', 'Bridge', bridge.name, 'sflow=@sflow']);
  }
  if (commands.length === 0) return ok(ours);
  const done = await runProgram(ovsVsctl(socket, ...commands));
  return done.ok ? ok(ours) : done;
}

/** Takes back every export of ours and of runs of ours that are over. */
export async function takeBackExports(socket: string): Promise<Result<void>> {
  const bridges = await readBridges(socket);
  if (!bridges.ok) return bridges;
  const own = ownerMark(process.pid);
  const commands = bridges.value.flatMap(({ name, exports }) =>
    (['ipfix', 'sflow'] as const)
      .filter((kind) => exports[kind]?.owner === own || isLeftover(exports[kind]))
      .map((kind) => ['clear', 'Bridge', name, kind]),
  );
  if (commands.length === 0) return ok(undefined);
  const done = await runProgram(ovsVsctl(socket, ...commands));
  return done.ok ? ok(undefined) : done;
}

function isFree(held: OvsExport | null): boolean {
  return held === null || held.owner === ownerMark(process.pid) || isLeftover(held);
}

/** Of a Plumbline that does not run any more. */
function isLeftover(held: OvsExport | null): boolean {
  if (held?.owner === null || held === null) return false;
  const pid = Number(held.owner.split('/', 1)[0]);
  return held.owner !== ownerMark(pid);
}

/** A process id is given again after a while: with when it started it names one run. Field 22 of /proc/PID/stat. */
function ownerMark(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return `${pid}/${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return `${pid}/gone`;
  }
}
