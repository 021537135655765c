// A line of `plumbline trace --json` in the words of a recorded event. Its fields are trusted no more than any other line's: they
// are checked when the event is made of them.
import type { RawEventKind } from '../../model/raw-event.ts';
import type { JsonObject } from './read-lines.ts';

/** Null = it says nothing that is learned or judged. */
const kinds: Readonly<Record<string, RawEventKind | null>> = {
  exec: 'process_start',
  exit: 'process_exit',
  connect: 'net_connect',
  accept: 'net_accept',
  listen: 'net_listen',
  bind: 'net_listen',
  fork: null,
  setuid: null,
  module: null,
  summary: null,
  loss: 'loss',
};
/** What was refused did not happen. */
const refusals: ReadonlySet<unknown> = new Set(['block', 'kill', 'hold']);
/** Traces of other versions may not say which VM they are of. */
const unnamed = 'traced';
/** Linux's default net.ipv4.ip_local_port_range (Documentation/networking/ip-sysctl.rst). */
const ephemeral = { least: 32_768, most: 60_999 };

export function isTraceLine({ kind, seq, counts }: JsonObject): boolean {
  return (
    typeof kind === 'string' &&
    kind in kinds &&
    (typeof seq === 'number' || (kind === 'summary' && counts !== undefined))
  );
}

/** The fields of a recorded event; null for a line that is none. */
export function eventFieldsOf(line: JsonObject): JsonObject | null {
  const { host = unnamed, kind, tgid, from, ts, verdict } = line;
  const rawKind = kinds[String(kind)] ?? null;
  if (rawKind === null || refusals.has(verdict) || (kind === 'bind' && !isUdpListener(line))) return null;
  const event = { ...line, host, kind: rawKind, evidence: 'outside' };
  if (rawKind === 'loss') return { ...event, ts: from ?? ts };
  return { ...event, pid: tgid };
}

/** A bound TCP socket is no listener yet; a datagram socket on a port of its own choice waits for callers. */
function isUdpListener({ proto, localPort }: JsonObject): boolean {
  if (proto !== 'udp' || typeof localPort !== 'number' || localPort === 0) return false;
  return localPort < ephemeral.least || localPort > ephemeral.most;
}
