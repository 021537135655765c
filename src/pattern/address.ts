// IP addresses and blocks as numbers, and their one canonical text (RFC 5952 for IPv6).

export interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** The addresses that share the first `length` bits; the rest of `value` is zero. */
export interface Prefix extends Address {
  readonly length: number;
}

export function parseAddress(text: string): Address | null {
  return text.includes(':') ? parseV6(text) : parseV4(text);
}

function parseV4(text: string): Address | null {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (octets === undefined || octets.some((octet) => octet > 255)) return null;
  return { bits: 32, value: octets.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n) };
}

function parseV6(text: string): Address | null {
  // A zone says by which interface, not whom.
  const halves = (text.split('%')[0] ?? '').split('::');
  if (halves.length > 2) return null;
  const groups = halves.map(parseGroups);
  const [head, tail] = groups;
  if (head === null || head === undefined || tail === null) return null;
  if (tail === undefined) return head.length === 8 ? fromGroups(head) : null;
  const missing = 8 - head.length - tail.length;
  return missing < 1 ? null : fromGroups([...head, ...Array.from({ length: missing }, () => 0), ...tail]);
}

function parseGroups(text: string): readonly number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [at, part] of parts.entries()) {
    const v4 = at === parts.length - 1 && part.includes('.') ? parseV4(part) : null;
    if (v4 !== null) groups.push(Number(v4.value >> 16n), Number(v4.value & 0xff_ffn));
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

function fromGroups(groups: readonly number[]): Address {
  return { bits: 128, value: groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n) };
}

export function printAddress({ bits, value }: Address): string {
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
  const groups = Array.from({ length: 8 }, (_, at) => Number((value >> BigInt(112 - 16 * at)) & 0xff_ffn));
  const hex = groups.map((group) => group.toString(16));
  const zeros = longestZeros(groups);
  if (zeros.length < 2) return hex.join(':');
  return `${hex.slice(0, zeros.start).join(':')}::${hex.slice(zeros.start + zeros.length).join(':')}`;
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let at = 0; at <= groups.length; at += 1) {
    if (groups[at] === 0) continue;
    if (at - start > best.length) best = { start, length: at - start };
    start = at + 1;
  }
  return best;
}

/** The block of `length` bits an address lies in. */
export function prefixOf(address: Address, length: number): Prefix {
  const hostBits = BigInt(address.bits - length);
  return { bits: address.bits, length, value: (address.value >> hostBits) << hostBits };
}

export function parsePrefix(text: string): Prefix | null {
  const slash = text.indexOf('/');
  const address = parseAddress(text.slice(0, slash));
  const written = text.slice(slash + 1);
  if (slash === -1 || address === null || !/^[0-9]{1,3}$/.test(written)) return null;
  const length = Number(written);
  return length > address.bits ? null : { ...address, length };
}

export function printPrefix(prefix: Prefix): string {
  return `${printAddress(prefix)}/${prefix.length}`;
}

/** Whether every address of `inner` lies in `outer`. */
export function containsPrefix(outer: Prefix, inner: Prefix): boolean {
  if (outer.bits !== inner.bits || inner.length < outer.length) return false;
  return prefixOf(inner, outer.length).value === outer.value;
}

const mappedV4 = 0xff_ffn;

/** IPv4-mapped IPv6 (RFC 4291 2.5.5.2) as the IPv4 address it means. */
export function unmapped(address: Address): Address {
  if (address.bits === 32 || address.value >> 32n !== mappedV4) return address;
  return { bits: 32, value: address.value & 0xff_ff_ff_ffn };
}
