// What is known of a connection or exchange of a VM that was seen outside it. Values only. Names and addresses come from
// packets, which the guest or its peers wrote.

/** Who saw it. `conntrack` and `ipfix` count, `sflow` and `tap` see packets. */
export type FlowSource = 'ipfix' | 'sflow' | 'conntrack' | 'tap';

/**
 * closed = both sides said goodbye; reset = one side broke it off; idle = nothing more was seen of it for long;
 * evicted = the table was full; stopped = we stopped looking.
 */
export type FlowEnd = 'closed' | 'reset' | 'idle' | 'evicted' | 'stopped';

export interface FlowRecord {
  /** Unique within one watch. */
  readonly id: number;
  readonly vm: string;
  /** Who began; unknown when it was under way before anybody looked. */
  readonly direction: 'inbound' | 'outbound' | 'unknown';
  readonly proto: 'tcp' | 'udp';
  readonly localAddr: string;
  readonly localPort: number;
  readonly remoteAddr: string;
  readonly remotePort: number;
  /** The name for which the VM was given this address, by whoever answered it; null when no such answer was seen. */
  readonly remoteName: string | null;
  /** ISO 8601, host clock. */
  readonly firstSeen: string;
  readonly lastSeen: string;
  /** IP headers included, Ethernet's not. */
  readonly bytesOut: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly packetsIn: number;
  /** Null while it lasts. */
  readonly end: FlowEnd | null;
  /** In the order in which they first told of it. */
  readonly by: readonly FlowSource[];
}

/** When the guest itself is known to have spoken: what a look inside is held against. Milliseconds since the epoch, host clock. */
export interface FlowEvidence {
  /** First and last packet the guest sent for it that only a socket sends: resets are left out. Null = none seen. */
  readonly sentMs: readonly [first: number, last: number] | null;
  /** First and last time the guest agreed to be connected to. */
  readonly acceptedMs: readonly [first: number, last: number] | null;
}

/** A flow that is under way, to be looked at often and without making a record of it. */
export interface LiveFlow {
  readonly id: number;
  readonly vm: string;
  readonly ends: Pick<FlowRecord, 'proto' | 'localAddr' | 'localPort' | 'remoteAddr' | 'remotePort'>;
  readonly direction: FlowRecord['direction'];
  readonly evidence: FlowEvidence;
  seen(): SeenFlow;
}

export interface SeenFlow {
  readonly record: FlowRecord;
  readonly evidence: FlowEvidence;
}

/** From `from` to `until` packets or records went by unseen: counts are too low, connections may be missing. */
export interface FlowLoss {
  readonly from: string;
  readonly until: string;
  readonly source: FlowSource;
  /** Packets, records or events, as the source counts; null = not known. */
  readonly missed: number | null;
  readonly reason: string;
}
