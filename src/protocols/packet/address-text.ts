// Network addresses as text, to and from the bytes they have in a packet. One spelling per address, so that texts compare.
import { isIP } from 'node:net';

/** `52:54:00:12:34:56`, from six bytes. Empty when they are not there. */
export function macText(bytes: Buffer, at: number): string {
  if (at + 6 > bytes.length) return '';
  return bytes.toString('hex', at, at + 6).replace(/..(?=.)/g, '$&:');
}

export function ipv4Text(bytes: Buffer, at: number): string {
  return `${bytes[at] ?? 0}.${bytes[at + 1] ?? 0}.${bytes[at + 2] ?? 0}.${bytes[at + 3] ?? 0}`;
}

/** RFC 5952; an IPv4 address carried in an IPv6 one (`::ffff:a.b.c.d`) is said as IPv4. Sixteen bytes must be there. */
export function ipv6Text(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(at + 2 * index));
  return groupsText(groups);
}

function groupsText(groups: readonly number[]): string {
  const [sixth = 0, seventh = 0, eighth = 0] = groups.slice(5);
  if (sixth === 0xffff && groups.slice(0, 5).every((group) => group === 0))
    return `${seventh >> 8}.${seventh & 0xff}.${eighth >> 8}.${eighth & 0xff}`;
  return compressedGroups(groups);
}

/** Eight groups of 16 bits as RFC 5952 writes them: lower case, no leading zeros, the first longest run of two or more zeros as `::`. */
export function compressedGroups(groups: readonly number[]): string {
  const zeros = longestZeros(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (zeros.length < 2) return text(groups);
  return `${text(groups.slice(0, zeros.start))}::${text(groups.slice(zeros.start + zeros.length))}`;
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  groups.forEach((group, index) => {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: index - length + 1, length };
  });
  return best;
}

/** The one spelling of an address that somebody else wrote; null when it is none. A zone (`%eth0`) is left out. */
export function canonicalAddress(text: string): string | null {
  const bare = text.slice(0, 64).split('%', 1)[0] ?? '';
  const family = isIP(bare);
  if (family === 0) return null;
  if (family === 4) return bare;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(bare);
  const plain = dotted === null ? bare : `${dotted[1]}${pair(dotted[2], dotted[3])}:${pair(dotted[4], dotted[5])}`;
  const [before = '', after] = plain.split('::');
  const left = before === '' ? [] : before.split(':');
  const right = after === undefined || after === '' ? [] : after.split(':');
  const filled = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return groupsText(filled.map((group) => Number.parseInt(group, 16)));
}

function pair(high: string | undefined, low: string | undefined): string {
  return (Number(high) * 256 + Number(low)).toString(16);
}
