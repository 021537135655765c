// One sFlow datagram, version 5 (https://sflow.org/sflow_version_5.txt): the headers of sampled packets and how many were lost
// on the way. Anybody on the host can send one, so nothing in it is believed beyond its own end.
import { XdrReader } from '../xdr/xdr.ts';

export interface SampledPacket {
  /** Names the data source within its agent: sample numbers rise by one for each of these. */
  readonly source: number;
  readonly sampleNumber: number;
  /** One packet of so many was taken. */
  readonly samplingRate: number;
  /** Samples the exporter itself had to drop, since it started. */
  readonly drops: number;
  /** Interface index the packet came in by; 0 = not known. */
  readonly input: number;
  /** The first bytes of the Ethernet frame; a view into the datagram. */
  readonly header: Buffer;
}

export interface SflowDatagram {
  readonly agent: string;
  readonly subAgent: number;
  /** Rises by one for each datagram of this agent and sub-agent. */
  readonly sequence: number;
  readonly packets: readonly SampledPacket[];
  /** Samples that hold no Ethernet frame (counters, other formats). */
  readonly others: number;
}

const version = 5;
const samplesMax = 256;
const recordsMax = 64;
const format = { flowSample: 1, expandedFlowSample: 3, rawHeader: 1 } as const;
const headerProtocolEthernet = 1;

/** Null when it is none, or breaks off. */
export function parseSflow(bytes: Buffer): SflowDatagram | null {
  const words = new XdrReader(bytes);
  if (words.u32() !== version) return null;
  const addressBytes = words.u32() === 2 ? 16 : 4;
  const agent = words.fixed(addressBytes).toString('hex');
  const subAgent = words.u32();
  const sequence = words.u32();
  words.u32();
  const count = words.u32();
  if (words.broken || count > samplesMax) return null;
  const packets: SampledPacket[] = [];
  let others = 0;
  for (let index = 0; index < count; index += 1) {
    const kind = words.u32();
    const body = words.fixed(words.u32());
    if (words.broken) return null;
    const packet =
      kind === format.flowSample || kind === format.expandedFlowSample
        ? parseSample(new XdrReader(body), kind === format.expandedFlowSample)
        : null;
    if (packet === null) others += 1;
    else packets.push(packet);
  }
  return { agent, subAgent, sequence, packets, others };
}

function parseSample(words: XdrReader, expanded: boolean): SampledPacket | null {
  const sampleNumber = words.u32();
  const source = expanded ? words.u32() * 0x100_0000 + words.u32() : words.u32();
  const samplingRate = words.u32();
  words.u32();
  const drops = words.u32();
  if (expanded) words.u32();
  const input = words.u32();
  if (expanded) words.u32();
  words.u32();
  const records = words.u32();
  if (words.broken || records > recordsMax) return null;
  for (let index = 0; index < records; index += 1) {
    const kind = words.u32();
    const body = words.fixed(words.u32());
    if (words.broken) return null;
    const header = kind === format.rawHeader ? rawHeader(new XdrReader(body)) : null;
    // Interface values carry a format in their two upper bits; only plain indexes name an interface.
    if (header !== null)
      return { source, sampleNumber, samplingRate, drops, input: input < 0x4000_0000 ? input : 0, header };
  }
  return null;
}

function rawHeader(words: XdrReader): Buffer | null {
  const protocol = words.u32();
  words.u32();
  words.u32();
  const header = words.fixed(words.u32());
  return words.broken || protocol !== headerProtocolEthernet ? null : header;
}
