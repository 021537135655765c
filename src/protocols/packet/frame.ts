// One Ethernet frame, as far as connections are concerned: who sent it to whom, over which ports, how much. Frames are a guest's
// own bytes and may be cut short: what is not there is not read, what makes no sense is `null`.
import { ipv4Text, ipv6Text, macText } from './address-text.ts';

export const tcpFlags = { fin: 0x01, syn: 0x02, rst: 0x04, ack: 0x10 } as const;

interface Layers {
  readonly sourceMac: string;
  readonly targetMac: string;
}

/** One TCP segment or UDP datagram (its first fragment, when it has several). */
export interface TransportPacket extends Layers {
  readonly kind: 'transport';
  readonly protocol: 'tcp' | 'udp';
  readonly source: string;
  readonly sourcePort: number;
  readonly target: string;
  readonly targetPort: number;
  /** IP header and all that follows it, as the packet says, not as much of it as was captured. */
  readonly ipBytes: number;
  /** These three of TCP; 0 for UDP. */
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledged: number;
  /** Where the transport payload begins in the captured bytes; may lie behind their end. */
  readonly payloadAt: number;
  /** Names the whole datagram when this is its first fragment; null otherwise. */
  readonly fragments: string | null;
}

/** A later fragment: it has no ports, only the name of the datagram it belongs to. */
export interface FragmentPacket extends Layers {
  readonly kind: 'fragment';
  readonly fragments: string;
  readonly ipBytes: number;
}

/** The sender says by ARP or neighbour discovery that this address is its own. */
export interface AddressClaim extends Layers {
  readonly kind: 'claim';
  readonly address: string;
}

export interface OtherPacket extends Layers {
  readonly kind: 'other';
}

export type Frame = TransportPacket | FragmentPacket | AddressClaim | OtherPacket;

const ethernetBytes = 14;
const vlanTags = new Set([0x8100, 0x88a8]);
const tagsMax = 2;
const etherType = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
const protocolNumber = { hopByHop: 0, tcp: 6, udp: 17, routing: 43, fragment: 44, icmp6: 58, destination: 60 } as const;
const extensionsMax = 8;
const neighbourAdvertisement = 136;

/** Null for what is no Ethernet frame or breaks off within its headers. */
export function parseFrame(bytes: Buffer): Frame | null {
  if (bytes.length < ethernetBytes) return null;
  const layers = { targetMac: macText(bytes, 0), sourceMac: macText(bytes, 6) };
  let at = 12;
  let type = bytes.readUInt16BE(at);
  for (let tags = 0; vlanTags.has(type) && tags < tagsMax && at + 6 <= bytes.length; tags += 1) {
    at += 4;
    type = bytes.readUInt16BE(at);
  }
  at += 2;
  if (type === etherType.ipv4) return parseIpv4(bytes, at, layers);
  if (type === etherType.ipv6) return parseIpv6(bytes, at, layers);
  if (type === etherType.arp) return parseArp(bytes, at, layers);
  return { kind: 'other', ...layers };
}

function parseArp(bytes: Buffer, at: number, layers: Layers): Frame | null {
  if (at + 28 > bytes.length) return null;
  const forIpv4 = bytes.readUInt16BE(at + 2) === etherType.ipv4 && bytes[at + 4] === 6 && bytes[at + 5] === 4;
  const address = ipv4Text(bytes, at + 14);
  // Somebody who asks whether an address is taken (RFC 5227) says 0.0.0.0 and claims nothing.
  if (!forIpv4 || address === '0.0.0.0' || macText(bytes, at + 8) !== layers.sourceMac)
    return { kind: 'other', ...layers };
  return { kind: 'claim', ...layers, address };
}

function parseIpv4(bytes: Buffer, at: number, layers: Layers): Frame | null {
  const headerBytes = ((bytes[at] ?? 0) & 0x0f) * 4;
  if (at + 20 > bytes.length || (bytes[at] ?? 0) >> 4 !== 4 || headerBytes < 20) return null;
  const said = bytes.readUInt16BE(at + 2);
  // Large packets that a network card is to cut up may say 0: then the captured length is the best there is.
  const ipBytes = said === 0 ? bytes.length - at : said;
  const fragmenting = bytes.readUInt16BE(at + 6);
  const protocol = bytes[at + 9] ?? 0;
  const source = ipv4Text(bytes, at + 12);
  const target = ipv4Text(bytes, at + 16);
  const isFragment = (fragmenting & 0x3fff) !== 0;
  const fragments = isFragment ? `${source} ${target} ${protocol} ${bytes.readUInt16BE(at + 4)}` : null;
  if (fragments !== null && (fragmenting & 0x1fff) !== 0) return { kind: 'fragment', ...layers, fragments, ipBytes };
  return parseTransport(bytes, at + headerBytes, { ...layers, source, target, ipBytes, fragments }, protocol);
}

function parseIpv6(bytes: Buffer, at: number, layers: Layers): Frame | null {
  if (at + 40 > bytes.length || (bytes[at] ?? 0) >> 4 !== 6) return null;
  const said = bytes.readUInt16BE(at + 4);
  const ipBytes = said === 0 ? bytes.length - at : said + 40;
  const source = ipv6Text(bytes, at + 8);
  const target = ipv6Text(bytes, at + 24);
  let protocol = bytes[at + 6] ?? 0;
  let next = at + 40;
  let fragments: string | null = null;
  for (let count = 0; count < extensionsMax; count += 1) {
    if (next + 8 > bytes.length) return null;
    if (protocol === protocolNumber.fragment) {
      fragments = `${source} ${target} ${bytes[next]} ${bytes.readUInt32BE(next + 4)}`;
      if (bytes.readUInt16BE(next + 2) >> 3 !== 0) return { kind: 'fragment', ...layers, fragments, ipBytes };
      protocol = bytes[next] ?? 0;
      next += 8;
    } else if (
      protocol === protocolNumber.hopByHop ||
      protocol === protocolNumber.routing ||
      protocol === protocolNumber.destination
    ) {
      protocol = bytes[next] ?? 0;
      next += ((bytes[next + 1] ?? 0) + 1) * 8;
    } else break;
  }
  if (protocol === protocolNumber.icmp6) return neighbour(bytes, next, layers);
  return parseTransport(bytes, next, { ...layers, source, target, ipBytes, fragments }, protocol);
}

function neighbour(bytes: Buffer, at: number, layers: Layers): Frame {
  if (bytes[at] !== neighbourAdvertisement || at + 24 > bytes.length) return { kind: 'other', ...layers };
  return { kind: 'claim', ...layers, address: ipv6Text(bytes, at + 8) };
}

type Carried = Layers & Pick<TransportPacket, 'source' | 'target' | 'ipBytes' | 'fragments'>;

function parseTransport(bytes: Buffer, at: number, carried: Carried, protocol: number): Frame | null {
  const { sourceMac, targetMac } = carried;
  if (protocol !== protocolNumber.tcp && protocol !== protocolNumber.udp)
    return { kind: 'other', sourceMac, targetMac };
  const isTcp = protocol === protocolNumber.tcp;
  if (at + (isTcp ? 14 : 8) > bytes.length) return null;
  return {
    kind: 'transport',
    ...carried,
    protocol: isTcp ? 'tcp' : 'udp',
    sourcePort: bytes.readUInt16BE(at),
    targetPort: bytes.readUInt16BE(at + 2),
    flags: isTcp ? (bytes[at + 13] ?? 0) : 0,
    sequence: isTcp ? bytes.readUInt32BE(at + 4) : 0,
    acknowledged: isTcp ? bytes.readUInt32BE(at + 8) : 0,
    payloadAt: at + (isTcp ? ((bytes[at + 12] ?? 0) >> 4) * 4 : 8),
  };
}
