// Addresses as text, from the words a kernel keeps them in (network byte order, read on a little-endian machine).
import { compressedGroups } from '../../protocols/packet/address-text.ts';

export function ipv4Text(word: number): string {
  return `${word & 0xff}.${(word >>> 8) & 0xff}.${(word >>> 16) & 0xff}.${word >>> 24}`;
}

/** RFC 5952; an IPv4 address carried in an IPv6 one stays recognisable as such: `::ffff:a.b.c.d`. */
export function ipv6Text(word0: number, word1: number, word2: number, word3: number): string {
  if (word0 === 0 && word1 === 0 && word2 >>> 0 === 0xffff_0000) return `::ffff:${ipv4Text(word3)}`;
  const groups = [word0, word1, word2, word3].flatMap((word) => [swap(word & 0xffff), swap(word >>> 16)]);
  return compressedGroups(groups);
}

/** Network order to the machine's, for 16 bits. */
export function swap(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}
