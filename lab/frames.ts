// Ethernet frames made byte by byte, as hexadecimal text for `lab/programs/frames.c`: what a VM might send, honest or not.
import { isIPv4 } from 'node:net';

export interface Ends {
  readonly from: { readonly mac: string; readonly address: string };
  readonly to: { readonly mac: string; readonly address: string };
}

export const broadcastMac = 'ff:ff:ff:ff:ff:ff';

/** UDP or TCP (a SYN) between two ports; with `vlan`, tagged. */
export function datagram(
  { from, to }: Ends,
  ports: readonly [number, number],
  proto: 'tcp' | 'udp' = 'udp',
  vlan?: number,
): string {
  const payload = transport(proto, ports);
  const four = isIPv4(from.address);
  const packet = four
    ? ipv4Packet(from.address, to.address, proto, payload)
    : ipv6Packet(from.address, to.address, proto === 'tcp' ? 6 : 17, payload);
  const tag = vlan === undefined ? '' : `8100${vlan.toString(16).padStart(4, '0')}`;
  return ethernet(to.mac, from.mac, `${tag}${four ? '0800' : '86dd'}${packet.toString('hex')}`);
}

export function arpRequest(from: Ends['from'], asked: string): string {
  const body = ['0001080006040001', hexMac(from.mac), hexIpv4(from.address), '000000000000', hexIpv4(asked)].join('');
  return ethernet(broadcastMac, from.mac, `0806${body}`);
}

/** A neighbour solicitation for `asked`, to its solicited-node multicast address. */
export function neighbourSolicitation(from: Ends['from'], asked: string): string {
  const target = bytesOfIpv6(asked);
  const group = Buffer.concat([Buffer.from('ff0200000000000000000001ff', 'hex'), target.subarray(13)]);
  const body = Buffer.concat([Buffer.from([135, 0, 0, 0, 0, 0, 0, 0]), target]);
  const packet = Buffer.concat([ipv6Header(bytesOfIpv6(from.address), group, 58, body.length), body]);
  const mac = `33:33:${group.toString('hex', 12).replace(/..(?=.)/g, '$&:')}`;
  return ethernet(mac, from.mac, `86dd${packet.toString('hex')}`);
}

/** Of a protocol that no rule knows by name. */
export function strangeFrame(fromMac: string, toMac: string): string {
  return ethernet(toMac, fromMac, `88b5${'5a'.repeat(46)}`);
}

function ethernet(to: string, from: string, rest: string): string {
  return `${hexMac(to)}${hexMac(from)}${rest}`.padEnd(120, '0');
}

function transport(proto: 'tcp' | 'udp', [from, to]: readonly [number, number]): Buffer {
  const bytes = Buffer.alloc(proto === 'tcp' ? 20 : 12);
  bytes.writeUInt16BE(from, 0);
  bytes.writeUInt16BE(to, 2);
  if (proto === 'tcp') bytes.writeUInt16BE(0x5002, 12);
  else bytes.writeUInt16BE(bytes.length, 4);
  return bytes;
}

function ipv4Packet(from: string, to: string, proto: 'tcp' | 'udp', payload: Buffer): Buffer {
  const header = Buffer.from(`4500000000000000401100000000000000000000`, 'hex');
  header.writeUInt16BE(header.length + payload.length, 2);
  header[9] = proto === 'tcp' ? 6 : 17;
  header.write(hexIpv4(from), 12, 'hex');
  header.write(hexIpv4(to), 16, 'hex');
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

/** RFC 1071: bridges that pass packets by the host's filters drop those with a wrong one. */
function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function ipv6Packet(from: string, to: string, next: number, payload: Buffer): Buffer {
  return Buffer.concat([ipv6Header(bytesOfIpv6(from), bytesOfIpv6(to), next, payload.length), payload]);
}

function ipv6Header(from: Buffer, to: Buffer, next: number, sizeBytes: number): Buffer {
  const header = Buffer.from([0x60, 0, 0, 0, sizeBytes >> 8, sizeBytes & 0xff, next, 255]);
  return Buffer.concat([header, from, to]);
}

function bytesOfIpv6(address: string): Buffer {
  const [left = '', right = ''] = address.split('::');
  const groups = (text: string): readonly string[] => (text === '' ? [] : text.split(':'));
  const zeros = Array.from({ length: 8 - groups(left).length - groups(right).length }, () => '0');
  const all = [...groups(left), ...zeros, ...groups(right)];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function hexMac(mac: string): string {
  return mac.replaceAll(':', '');
}

function hexIpv4(address: string): string {
  return Buffer.from(address.split('.').map(Number)).toString('hex');
}
