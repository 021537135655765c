// Packets that were seen on a VM's device or sampled by its switch, sorted: flows to the table, names and addresses to theirs.
import { RecentMap } from '../../kit/recent-map.ts';
import { parseDnsAnswer } from '../../protocols/packet/dns-answer.ts';
import { parseFrame, type Frame, type TransportPacket } from '../../protocols/packet/frame.ts';
import type { FlowEnds, TcpFacts, Way } from './flow.ts';
import type { FlowSource } from './flow-record.ts';
import type { FlowTable } from './flow-table.ts';
import type { NameTable } from './name-table.ts';
import type { VmDirectory } from './vm-directory.ts';

export interface IntakeHealth {
  readonly frames: number;
  /** Frames that break off within their headers or make no sense. */
  readonly unreadable: number;
  /** Fragments whose first part was not seen: their bytes count for nobody. */
  readonly strayFragments: number;
  /** Frames that carry no hardware address known to be of these VMs: floods, others' traffic, addresses a guest took itself. */
  readonly foreign: number;
}

export interface SeenFrame {
  readonly by: FlowSource;
  readonly atMs: number;
  readonly bytes: Buffer;
  /** How many packets this one stands for: 1, the sampling rate, or 0 when another source counts. */
  readonly weight: number;
  /** The VMs whose own packets pass where it was seen; others are told of it by whoever sees theirs. */
  readonly vms: ReadonlySet<string>;
}

const fragmentsMax = 4096;
const dnsPort = 53;

export class FrameIntake {
  readonly #table: FlowTable;
  readonly #names: NameTable;
  readonly #directory: VmDirectory;
  readonly #fragments = new RecentMap<string, { readonly vm: string; readonly way: Way; readonly ends: FlowEnds }>(
    fragmentsMax,
  );
  #frames = 0;
  #unreadable = 0;
  #strayFragments = 0;
  #foreign = 0;

  constructor(table: FlowTable, names: NameTable, directory: VmDirectory) {
    this.#table = table;
    this.#names = names;
    this.#directory = directory;
  }

  health(): IntakeHealth {
    return {
      frames: this.#frames,
      unreadable: this.#unreadable,
      strayFragments: this.#strayFragments,
      foreign: this.#foreign,
    };
  }

  take(seen: SeenFrame): void {
    this.#frames += 1;
    const frame = parseFrame(seen.bytes);
    if (frame === null) {
      this.#unreadable += 1;
      return;
    }
    // Between two watched VMs a packet is sent by one and received by the other: each has its own record.
    const sender = this.#vmOf(frame.sourceMac, seen);
    const receiver = this.#vmOf(frame.targetMac, seen);
    if (sender === null && receiver === null) this.#foreign += 1;
    if (sender !== null) this.#takeFor(sender, 'sent', frame, seen);
    if (receiver !== null) this.#takeFor(receiver, 'received', frame, seen);
  }

  #vmOf(mac: string, { vms }: SeenFrame): string | null {
    const vm = this.#directory.vmOf(mac);
    return vm !== null && vms.has(vm) ? vm : null;
  }

  #takeFor(vm: string, way: Way, frame: Frame, seen: SeenFrame): void {
    if (frame.kind === 'claim' && way === 'sent') this.#directory.claim(vm, frame.address);
    else if (frame.kind === 'transport') this.#takeTransport(vm, way, frame, seen);
    else if (frame.kind === 'fragment') {
      const first = this.#fragments.get(`${vm} ${way} ${frame.fragments}`);
      if (first === undefined) this.#strayFragments += 1;
      else this.#see(first.ends, { vm, way, bytes: frame.ipBytes, tcp: null, seen });
    }
  }

  #takeTransport(vm: string, way: Way, packet: TransportPacket, seen: SeenFrame): void {
    const ends = endsOf(way, packet);
    if (way === 'sent') this.#directory.spoke(vm, packet.source);
    if (packet.fragments !== null) this.#fragments.set(`${vm} ${way} ${packet.fragments}`, { vm, way, ends });
    if (way === 'received' && packet.protocol === 'udp' && packet.sourcePort === dnsPort)
      for (const named of parseDnsAnswer(seen.bytes.subarray(packet.payloadAt)))
        this.#names.learn(vm, named, seen.atMs);
    const tcp = packet.protocol === 'tcp' ? packet : null;
    this.#see(ends, { vm, way, bytes: packet.ipBytes, tcp, seen });
  }

  #see(
    ends: FlowEnds,
    what: {
      readonly vm: string;
      readonly way: Way;
      readonly bytes: number;
      readonly tcp: TcpFacts | null;
      readonly seen: SeenFrame;
    },
  ): void {
    const { by, atMs, weight } = what.seen;
    this.#table.see(what.vm, ends, {
      by,
      way: what.way,
      startMs: atMs,
      endMs: atMs,
      packets: weight,
      bytes: what.bytes * weight,
      tcp: what.tcp,
    });
  }
}

function endsOf(way: Way, packet: TransportPacket): FlowEnds {
  const { protocol: proto, source, sourcePort, target, targetPort } = packet;
  return way === 'sent'
    ? { proto, localAddr: source, localPort: sourcePort, remoteAddr: target, remotePort: targetPort }
    : { proto, localAddr: target, localPort: targetPort, remoteAddr: source, remotePort: sourcePort };
}
