// All connections and exchanges of the watched VMs: opened once, counted, ended once. Time comes in with what is seen.
import { RecentMap } from '../../kit/recent-map.ts';
import { Flow, type FlowEnds, type FlowSighting, type FlowTotals } from './flow.ts';
import type { FlowEnd, LiveFlow, SeenFlow } from './flow-record.ts';
import type { NameTable } from './name-table.ts';

export interface FlowListener {
  /** A connection or exchange that is new. */
  opened(flow: SeenFlow): void;
  /** The same with all that was counted; nothing more comes of it. */
  ended(flow: SeenFlow): void;
}

export interface FlowTableOptions {
  readonly names: NameTable;
  readonly listener: FlowListener;
  /** Connections of all VMs kept at a time; default 65 536. */
  readonly flowsMax?: number;
}

export interface TableHealth {
  readonly open: number;
  readonly evicted: number;
  /** Packets and counts that came for a connection that had been told as ended. */
  readonly late: number;
}

const flowsMaxDefault = 65_536;
const tombstonesMax = 65_536;
/** What a connection may still send after its last word: an acknowledgement, a repeated goodbye. Captures come up to a second late. */
const lingerMs = { packets: 2500, ipfix: 4000, conntrack: 10_000 } as const;
const tombstoneMs = 120_000;
/** Longer than Linux keeps track of a closed connection or a silent exchange (nf_conntrack_*_timeout*: 120 s, 180 s). */
const listedMs = 240_000;
const idleMs = { udp: 30_000, unanswered: 60_000, tcp: 24 * 3_600_000 } as const;

export class FlowTable {
  readonly #options: FlowTableOptions;
  readonly #flowsMax: number;
  readonly #flows: RecentMap<string, Flow>;
  readonly #byVm = new Map<string, Set<Flow>>();
  /** When the connection between these ends was told as ended. */
  readonly #tombstones = new RecentMap<string, number>(tombstonesMax);
  #lastId = 0;
  #evicted = 0;
  #late = 0;

  constructor(options: FlowTableOptions) {
    this.#options = options;
    this.#flowsMax = options.flowsMax ?? flowsMaxDefault;
    this.#flows = new RecentMap(this.#flowsMax + 1);
  }

  health(): TableHealth {
    return { open: this.#flows.size, evicted: this.#evicted, late: this.#late };
  }

  see(vm: string, ends: FlowEnds, sighting: FlowSighting): void {
    const key = keyOf(vm, ends);
    let flow = this.#flows.get(key);
    if (flow?.isSuccessor(sighting) === true) {
      this.#end(key, flow, flow.closing?.end ?? 'idle');
      flow = undefined;
    } else if (flow === undefined && this.#isLate(key, ends, sighting)) {
      this.#late += 1;
      return;
    }
    if (flow !== undefined) return flow.see(sighting);
    const opened = this.#open(key, vm, ends, sighting);
    opened.see(sighting);
    this.#options.listener.opened(opened.seen());
  }

  /**
   * What a source that keeps count by itself has counted in all; `null` = it counted nothing. `sighting` is what the flow is
   * known by when nobody told of its beginning; `over` = the source has let go of it. It may go on listing what has ended.
   */
  settle(vm: string, ends: FlowEnds, totals: FlowTotals | null, sighting: FlowSighting, over: boolean): void {
    const key = keyOf(vm, ends);
    if (!this.#flows.has(key)) {
      if (sighting.endMs - (this.#tombstones.peek(key) ?? Number.NEGATIVE_INFINITY) <= listedMs) return;
      this.see(vm, ends, sighting);
    }
    const flow = this.#flows.peek(key);
    flow?.settle(totals, sighting.endMs);
    if (over && flow !== undefined) this.#end(key, flow, flow.closing?.end ?? 'idle', sighting.endMs);
  }

  /** Ends what is over or has long been silent. To be called about once a second. */
  expire(nowMs: number): void {
    for (const [key, flow] of this.#flows.entries()) {
      if (flow.closing !== null) {
        if (nowMs - Math.max(flow.closing.atMs, flow.lastMs) >= lingerOf(flow))
          this.#end(key, flow, flow.closing.end, nowMs);
      } else if (nowMs - flow.lastMs >= patienceWith(flow)) this.#end(key, flow, 'idle', nowMs);
    }
  }

  /** What is open of a VM: for whoever looks often. */
  live(vm: string): Iterable<LiveFlow> {
    return this.#byVm.get(vm) ?? [];
  }

  /** What is open, of one VM or of all. */
  open(vm?: string): readonly SeenFlow[] {
    const flows = vm === undefined ? this.#flows.values() : (this.#byVm.get(vm)?.values() ?? []);
    return [...flows].map((flow) => flow.seen());
  }

  /** The VM is gone, or nobody looks any more. */
  stop(vm?: string): void {
    for (const [key, flow] of this.#flows.entries())
      if (vm === undefined || flow.vm === vm) this.#end(key, flow, flow.closing?.end ?? 'stopped');
  }

  #open(key: string, vm: string, ends: FlowEnds, first: FlowSighting): Flow {
    this.#lastId += 1;
    const flow = new Flow(this.#lastId, vm, ends, first);
    flow.name = this.#options.names.nameOf(vm, ends.remoteAddr, first.startMs);
    this.#flows.set(key, flow);
    const own = this.#byVm.get(vm) ?? new Set();
    this.#byVm.set(vm, own.add(flow));
    if (this.#flows.size > this.#flowsMax) this.#evictOldest();
    return flow;
  }

  #evictOldest(): void {
    const oldest = this.#flows.entries().next();
    if (oldest.done === true) return;
    this.#evicted += 1;
    this.#end(oldest.value[0], oldest.value[1], 'evicted');
  }

  /** Only an opening makes a new connection where one has just ended; an exchange of datagrams has no end of its own. */
  #isLate(key: string, ends: FlowEnds, { tcp, startMs, by }: FlowSighting): boolean {
    const endedMs = this.#tombstones.peek(key);
    if (endedMs === undefined || startMs - endedMs > tombstoneMs) return false;
    if (ends.proto === 'udp') return startMs <= endedMs;
    if (tcp !== null) return (tcp.flags & 0x02) === 0;
    return by === 'ipfix' || startMs <= endedMs;
  }

  #end(key: string, flow: Flow, end: FlowEnd, atMs = flow.lastMs): void {
    this.#flows.delete(key);
    const own = this.#byVm.get(flow.vm);
    own?.delete(flow);
    if (own?.size === 0) this.#byVm.delete(flow.vm);
    this.#tombstones.set(key, Math.max(atMs, flow.lastMs));
    flow.name ??= this.#options.names.nameOf(flow.vm, flow.ends.remoteAddr, flow.lastMs);
    this.#options.listener.ended(flow.seen(end));
  }
}

function keyOf(vm: string, { proto, localAddr, localPort, remoteAddr, remotePort }: FlowEnds): string {
  return `${vm} ${proto} ${localAddr} ${localPort} ${remoteAddr} ${remotePort}`;
}

/** A source that counts tells of the last packets late. */
function lingerOf(flow: Flow): number {
  if (flow.by('ipfix') || flow.by('sflow')) return lingerMs.ipfix;
  return flow.by('conntrack') || flow.uncounted ? lingerMs.conntrack : lingerMs.packets;
}

function patienceWith(flow: Flow): number {
  if (flow.ends.proto === 'udp') return flow.by('conntrack') ? listedMs : idleMs.udp;
  return flow.answered ? idleMs.tcp : idleMs.unanswered;
}
