// Takes what Open vSwitch exports: one UDP socket on the loopback for IPFIX and one for sFlow. Everything that did not arrive
// is known by gaps in the exporters' numbers and by the kernel's own count.
import { createSocket, type Socket } from 'node:dgram';
import { causeOf, problem } from '../../kit/problem.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { IpfixReader, type IpfixRecord } from '../../protocols/ipfix/ipfix-message.ts';
import { parseSflow, type SampledPacket } from '../../protocols/sflow/sflow-datagram.ts';
import { udpDrops } from './udp-drops.ts';

export interface CollectorListener {
  record(record: IpfixRecord): void;
  packet(packet: SampledPacket): void;
  lost(source: 'ipfix' | 'sflow', missed: number | null, reason: string): void;
}

export interface CollectorHealth {
  readonly datagrams: number;
  readonly unreadable: number;
  readonly unknownTemplates: number;
}

const loopback = '127.0.0.1';
const receiveBufferBytes = 8 * 1024 * 1024;
const exportersMax = 1024;
const sequences = 0x1_0000_0000;
/** A larger step is an exporter that began anew, not a loss. */
const gapMax = 1_000_000;

export class OvsCollector {
  readonly ipfixPort: number;
  readonly sflowPort: number;
  readonly #sockets: readonly [ipfix: Socket, sflow: Socket];
  readonly #listener: CollectorListener;
  readonly #reader = new IpfixReader();
  readonly #expected = new RecentMap<string, number>(exportersMax);
  readonly #dropped: Record<'ipfix' | 'sflow', number> = { ipfix: 0, sflow: 0 };
  #datagrams = 0;
  #unreadable = 0;
  #unknownTemplates = 0;

  static async open(listener: CollectorListener): Promise<Result<OvsCollector>> {
    const ipfix = await bound();
    if (!ipfix.ok) return ipfix;
    const sflow = await bound();
    if (sflow.ok) return ok(new OvsCollector([ipfix.value, sflow.value], listener));
    ipfix.value.close();
    return sflow;
  }

  constructor(sockets: readonly [Socket, Socket], listener: CollectorListener) {
    this.#sockets = sockets;
    this.#listener = listener;
    const [ipfix, sflow] = sockets;
    this.ipfixPort = ipfix.address().port;
    this.sflowPort = sflow.address().port;
    ipfix.on('message', (bytes) => this.#takeIpfix(bytes));
    sflow.on('message', (bytes) => this.#takeSflow(bytes));
  }

  health(): CollectorHealth {
    return { datagrams: this.#datagrams, unreadable: this.#unreadable, unknownTemplates: this.#unknownTemplates };
  }

  /** Asks the kernel what it threw away. To be called every few seconds. */
  count(): void {
    for (const [source, port] of [
      ['ipfix', this.ipfixPort],
      ['sflow', this.sflowPort],
    ] as const) {
      const drops = udpDrops(port) ?? this.#dropped[source];
      const missed = drops - this.#dropped[source];
      this.#dropped[source] = drops;
      // The gap in the exporter's numbers says how much was in them.
      if (missed > 0) this.#listener.lost(source, null, `${missed} datagrams did not fit the collector’s socket`);
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  #takeIpfix(bytes: Buffer): void {
    this.#datagrams += 1;
    const message = this.#reader.read(bytes);
    if (message === null) {
      this.#unreadable += 1;
      return;
    }
    // Open vSwitch numbers its records through, over all domains.
    const missed = this.#gap('ipfix', message.sequence, message.records);
    if (missed > 0) this.#listener.lost('ipfix', missed, 'records of the switch did not arrive');
    if (message.unknownSets > 0) {
      this.#unknownTemplates += message.unknownSets;
      // Their number is not known either: the next message cannot tell.
      this.#expected.delete('ipfix');
      this.#listener.lost('ipfix', null, 'records came before their description');
    }
    for (const record of message.flows) this.#listener.record(record);
  }

  #takeSflow(bytes: Buffer): void {
    this.#datagrams += 1;
    const datagram = parseSflow(bytes);
    if (datagram === null) {
      this.#unreadable += 1;
      return;
    }
    const { agent, subAgent, sequence, packets } = datagram;
    const missed = this.#gap(`sflow ${agent} ${subAgent}`, sequence, 1);
    if (missed > 0) this.#listener.lost('sflow', missed, 'datagrams of the switch did not arrive');
    for (const packet of packets) {
      const source = `drops ${agent} ${subAgent} ${packet.source}`;
      const before = this.#expected.get(source) ?? packet.drops;
      this.#expected.set(source, packet.drops);
      if (packet.drops > before) this.#listener.lost('sflow', packet.drops - before, 'the switch had to drop samples');
      this.#listener.packet(packet);
    }
  }

  #gap(exporter: string, sequence: number, counts: number): number {
    const expected = this.#expected.get(exporter);
    this.#expected.set(exporter, (sequence + counts) % sequences);
    if (expected === undefined) return 0;
    const gap = (sequence - expected + sequences) % sequences;
    return gap <= gapMax ? gap : 0;
  }
}

async function bound(): Promise<Result<Socket>> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: receiveBufferBytes });
  const { promise, resolve } = Promise.withResolvers<Result<Socket>>();
  socket.once('error', (error) => {
    resolve(fail(problem('failed', `Could not open a socket for flow records: ${causeOf(error)}.`)));
  });
  socket.bind(0, loopback, () => {
    socket.removeAllListeners('error');
    socket.on('error', () => undefined);
    resolve(ok(socket));
  });
  return promise;
}
