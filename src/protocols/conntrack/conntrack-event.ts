// One line of `conntrack -E -o timestamp,id` or `conntrack -L -o id` (conntrack-tools 1.4): what the host's connection tracking
// says of a connection.

export interface TrackedDirection {
  readonly source: string;
  readonly target: string;
  readonly sourcePort: number;
  readonly targetPort: number;
  /** Null unless accounting is on; an event has them at the end only. */
  readonly packets: number | null;
  readonly bytes: number | null;
}

export interface ConntrackEvent {
  /** `update` also for one that was listed. */
  readonly what: 'new' | 'update' | 'destroy';
  readonly protocol: 'tcp' | 'udp';
  /** Milliseconds since the Unix epoch; null when the line says no time. */
  readonly atMs: number | null;
  /** How long it was tracked, in whole seconds, when it ended; 0 when that is not said. */
  readonly lastedMs: number;
  /** From whoever began. */
  readonly original: TrackedDirection;
  /** As the answers come: differs from `original` turned round where addresses are translated. */
  readonly reply: TrackedDirection;
  /** The connection's number in the kernel, to tell it from an earlier one between the same ends. */
  readonly id: string;
}

const lineMax = 2000;
const kinds = { NEW: 'new', UPDATE: 'update', DESTROY: 'destroy' } as const;

/** Null for other protocols and for what is no event. */
export function parseConntrackEvent(line: string): ConntrackEvent | null {
  if (line.length > lineMax) return null;
  const head =
    /^\s*(?:\[(\d{1,12})\.(\d{1,6})\s*\])?\s*(?:\[(NEW|UPDATE|DESTROY)\]\s+)?(?:ipv[46]\s+\d+\s+)?(tcp|udp)\s+\d+\s/.exec(
      line,
    );
  if (head === null) return null;
  const [before = '', first = '', second] = line.split(/\s(?=src=)/);
  const original = directionOf(first);
  const reply = directionOf(second ?? '');
  if (before === '' || original === null || reply === null) return null;
  return {
    what: head[3] === undefined ? 'update' : kinds[head[3] as keyof typeof kinds],
    protocol: head[4] === 'tcp' ? 'tcp' : 'udp',
    atMs: head[1] === undefined ? null : Number(head[1]) * 1000 + Number((head[2] ?? '').padEnd(6, '0')) / 1000,
    lastedMs: Number(/\sdelta-time=(\d{1,9})/.exec(line)?.[1] ?? 0) * 1000,
    original,
    reply,
    id: /\sid=(\d{1,10})/.exec(line)?.[1] ?? '',
  };
}

function directionOf(text: string): TrackedDirection | null {
  const word = (name: string): string | undefined => new RegExp(`(?:^|\\s)${name}=([^\\s]{1,64})`).exec(text)?.[1];
  const source = word('src');
  const target = word('dst');
  const sourcePort = port(word('sport'));
  const targetPort = port(word('dport'));
  if (source === undefined || target === undefined || sourcePort === null || targetPort === null) return null;
  return { source, target, sourcePort, targetPort, packets: count(word('packets')), bytes: count(word('bytes')) };
}

function port(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,5}$/.test(text) && Number(text) <= 0xffff ? Number(text) : null;
}

function count(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : null;
}
