// Addresses as text, from the words a kernel keeps them in (network byte order, read on a little-endian machine).

export function ipv4Text(word: number): string {
  return `${word & 0xff}.${(word >>> 8) & 0xff}.${(word >>> 16) & 0xff}.${word >>> 24}`;
}

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
export function ipv6Text(word0: number, word1: number, word2: number, word3: number): string {
  if (word0 === 0 && word1 === 0 && word2 >>> 0 === 0xffff_0000) return `::ffff:${ipv4Text(word3)}`;
  const groups = [word0, word1, word2, word3].flatMap((word) => [swap(word & 0xffff), swap(word >>> 16)]);
  const zeros = longestZeros(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (zeros.length < 2) return text(groups);
  return `${text(groups.slice(0, zeros.start))}::${text(groups.slice(zeros.start + zeros.length))}`;
}

/** Network order to the machine's, for 16 bits. */
export function swap(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
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
