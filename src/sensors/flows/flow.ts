// One connection or exchange while it is watched: packets and counts in, a record out. Reads no clock.
import { isoTime } from '../../kit/clock.ts';
import { tcpFlags } from '../../protocols/packet/frame.ts';
import type { FlowEnd, FlowEvidence, FlowRecord, FlowSource, LiveFlow, SeenFlow } from './flow-record.ts';

export type Way = 'sent' | 'received';

export type FlowEnds = LiveFlow['ends'];

/** One packet of it, or what a source counted in one direction since it last told. */
export interface FlowSighting {
  readonly by: FlowSource;
  readonly way: Way;
  readonly startMs: number;
  readonly endMs: number;
  readonly packets: number;
  readonly bytes: number;
  /** Of a TCP packet that was seen; null for counts. */
  readonly tcp: TcpFacts | null;
}

export interface TcpFacts {
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledged: number;
}

export interface FlowTotals {
  readonly out: { readonly bytes: number; readonly packets: number };
  readonly in: { readonly bytes: number; readonly packets: number };
}

/** Linux and most others take ports of their own from here up (net.ipv4.ip_local_port_range). */
const ephemeralFrom = 32_768;
/** Samples of a switch come out of order, and counts late: an opening seen this long after the first of it is its own. */
const disorderMs = 5000;

export class Flow implements LiveFlow {
  readonly id: number;
  readonly vm: string;
  readonly ends: FlowEnds;
  name: string | null = null;
  readonly #by: FlowSource[] = [];
  #direction: FlowRecord['direction'];
  #handshake = false;
  #firstMs: number;
  #lastMs: number;
  #out = { bytes: 0, packets: 0 };
  #in = { bytes: 0, packets: 0 };
  #opening: number | null = null;
  #finished = { sent: false, received: false };
  #closing: { readonly end: 'closed' | 'reset'; readonly atMs: number } | null = null;
  #sentMs: FlowEvidence['sentMs'] = null;
  #acceptedMs: FlowEvidence['acceptedMs'] = null;

  constructor(id: number, vm: string, ends: FlowEnds, first: FlowSighting) {
    this.id = id;
    this.vm = vm;
    this.ends = ends;
    this.#firstMs = first.startMs;
    this.#lastMs = first.endMs;
    this.#direction = ends.proto === 'udp' ? datagramDirection(ends, first) : guessed(ends);
  }

  /** When and how it ended by its own packets; null while it lasts. */
  get closing(): { readonly end: 'closed' | 'reset'; readonly atMs: number } | null {
    return this.#closing;
  }

  get direction(): FlowRecord['direction'] {
    return this.#direction;
  }

  get evidence(): FlowEvidence {
    return { sentMs: this.#sentMs, acceptedMs: this.#acceptedMs };
  }

  get lastMs(): number {
    return this.#lastMs;
  }

  /** Seen by somebody who leaves the counting to another, who has not told yet. */
  get uncounted(): boolean {
    return this.#out.packets + this.#in.packets === 0;
  }

  /** Both sides have spoken. */
  get answered(): boolean {
    return this.#out.packets > 0 && this.#in.packets > 0;
  }

  by(source: FlowSource): boolean {
    return this.#by.includes(source);
  }

  /** Whether this sighting opens another connection between the same ends. */
  isSuccessor({ by, tcp, startMs }: FlowSighting): boolean {
    if (tcp === null || (tcp.flags & (tcpFlags.syn | tcpFlags.ack)) !== tcpFlags.syn) return false;
    if (this.#opening !== null) return tcp.sequence !== this.#opening;
    // One that was met half-way has no known beginning: this may be its own, overtaken, unless it comes in order.
    return startMs - this.#firstMs > disorderMs || (this.#closing !== null && by === 'tap');
  }

  see(sighting: FlowSighting): void {
    const { by, way, startMs, endMs, tcp } = sighting;
    if (!this.#by.includes(by)) this.#by.push(by);
    if (this.ends.proto === 'udp' && startMs < this.#firstMs) this.#direction = datagramDirection(this.ends, sighting);
    this.#firstMs = Math.min(this.#firstMs, startMs);
    this.#lastMs = Math.max(this.#lastMs, endMs);
    const side = way === 'sent' ? this.#out : this.#in;
    side.bytes += sighting.bytes;
    side.packets += sighting.packets;
    if (tcp !== null) this.#follow(way, endMs, tcp);
    if (way === 'sent' && (tcp === null || (tcp.flags & tcpFlags.rst) === 0))
      this.#sentMs = widened(this.#sentMs, startMs, endMs);
  }

  /** What the host's connection tracking counted in all replaces what was added up; where it grew, the flow is alive. */
  settle(totals: FlowTotals | null, atMs: number): void {
    if (!this.by('conntrack')) this.#by.push('conntrack');
    if (totals === null) return;
    if (totals.out.packets > this.#out.packets || totals.in.packets > this.#in.packets)
      this.#lastMs = Math.max(this.#lastMs, this.#closing?.atMs ?? atMs);
    this.#out = { ...totals.out };
    this.#in = { ...totals.in };
  }

  seen(end: FlowEnd | null = null): SeenFlow {
    const record: FlowRecord = {
      id: this.id,
      vm: this.vm,
      direction: this.#direction,
      ...this.ends,
      remoteName: this.name,
      firstSeen: isoTime(this.#firstMs),
      lastSeen: isoTime(this.#lastMs),
      bytesOut: this.#out.bytes,
      bytesIn: this.#in.bytes,
      packetsOut: this.#out.packets,
      packetsIn: this.#in.packets,
      end,
      by: [...this.#by],
    };
    return { record, evidence: this.evidence };
  }

  #follow(way: Way, atMs: number, { flags, sequence, acknowledged }: TcpFacts): void {
    const opens = (flags & tcpFlags.syn) !== 0;
    const answers = opens && (flags & tcpFlags.ack) !== 0;
    if (opens && !this.#handshake) {
      this.#handshake = true;
      // Whoever answers an opening did not begin.
      this.#direction = directionOf(answers ? other(way) : way);
    }
    if (opens) this.#opening = answers ? (acknowledged - 1) >>> 0 : sequence;
    if (answers && way === 'sent') this.#acceptedMs = widened(this.#acceptedMs, atMs, atMs);
    if ((flags & tcpFlags.fin) !== 0) this.#finished[way] = true;
    if ((flags & tcpFlags.rst) !== 0) this.#closing ??= { end: 'reset', atMs };
    else if (this.#finished.sent && this.#finished.received) this.#closing ??= { end: 'closed', atMs };
  }
}

function directionOf(way: Way): 'inbound' | 'outbound' {
  return way === 'sent' ? 'outbound' : 'inbound';
}

function other(way: Way): Way {
  return way === 'sent' ? 'received' : 'sent';
}

/** The first datagram says who began, unless it comes by a switch, whose samples overtake each other. */
function datagramDirection(ends: FlowEnds, { by, way }: FlowSighting): FlowRecord['direction'] {
  const ordered = by === 'tap' || by === 'conntrack';
  const byPorts = ordered ? 'unknown' : guessed(ends);
  return byPorts === 'unknown' ? directionOf(way) : byPorts;
}

/** Without a handshake: the side on a port that nobody is given by chance is the one that was called. */
function guessed({ localPort, remotePort }: FlowEnds): FlowRecord['direction'] {
  if (localPort >= ephemeralFrom && remotePort < ephemeralFrom) return 'outbound';
  if (localPort < ephemeralFrom && remotePort >= ephemeralFrom) return 'inbound';
  return 'unknown';
}

/** A new pair each time: the old one may have been handed out. */
function widened(span: FlowEvidence['sentMs'], startMs: number, endMs: number): readonly [number, number] {
  return span === null ? [startMs, endMs] : [Math.min(span[0], startMs), Math.max(span[1], endMs)];
}
