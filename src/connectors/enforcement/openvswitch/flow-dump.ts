// What `ovs-ofctl dump-flows` lists of ours, by cookie; and which ports get nothing that is for everybody, by `ovs-ofctl show`.

/** The upper 16 bits of every cookie of ours; the rest tells one measure from another. */
export const cookiePrefix = '504c';
/** For `dump-flows`: all of ours and nothing else. */
export const ourCookies = `cookie=0x${cookiePrefix}000000000000/0xffff000000000000`;

export interface DumpedFlows {
  readonly count: number;
  /** Packets that its drop flows have counted. */
  readonly dropped: number;
  /** Until the switch itself ends the first of them; null = none ends by itself. */
  readonly endsInMs: number | null;
}

const linesMax = 100_000;

/** By cookie, `0x504c...` with 16 digits. */
export function parseFlows(text: string): ReadonlyMap<string, DumpedFlows> {
  const found = new Map<string, DumpedFlows>();
  for (const line of text.split('\n').slice(0, linesMax)) {
    const cookie = /^ ?cookie=0x([0-9a-f]{1,16}),/.exec(line)?.[1];
    if (cookie === undefined) continue;
    const name = `0x${cookie.padStart(16, '0')}`;
    const before = found.get(name) ?? { count: 0, dropped: 0, endsInMs: null };
    const packets = line.endsWith('actions=drop') ? Number(/ n_packets=(\d{1,15}),/.exec(line)?.[1] ?? 0) : 0;
    const seconds = Number(/ duration=(\d{1,12}(?:\.\d{1,9})?)s,/.exec(line)?.[1] ?? 0);
    const limit = /[ ,]hard_timeout=(\d{1,5}),/.exec(line)?.[1];
    const endsInMs = limit === undefined ? null : Math.max(0, Math.round((Number(limit) - seconds) * 1000));
    found.set(name, {
      count: before.count + 1,
      dropped: before.dropped + packets,
      endsInMs: before.endsInMs === null ? endsInMs : Math.min(before.endsInMs, endsInMs ?? Number.POSITIVE_INFINITY),
    });
  }
  return found;
}

/** Numbers of ports whose configuration says NO_FLOOD; OpenFlow 1.0 only tells it. */
export function quietPorts(text: string): ReadonlySet<number> {
  const quiet = new Set<number>();
  let port: number | null = null;
  for (const line of text.split('\n').slice(0, linesMax)) {
    const head = /^ (\d{1,5})\(/.exec(line)?.[1];
    if (/^ \S+\(/.test(line)) port = head === undefined ? null : Number(head);
    if (port !== null && /^ {5}config:.*\bNO_FLOOD\b/.test(line)) quiet.add(port);
  }
  return quiet;
}
