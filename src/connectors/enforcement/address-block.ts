// Addresses and CIDR blocks on their way into a switch: parsed from whatever they were written as, and written one way, so that
// nothing but an address ever stands in a rule.
import { isIPv4 } from 'node:net';
import { canonicalAddress, compressedGroups } from '../../protocols/packet/address-text.ts';

export interface AddressBlock {
  readonly family: 4 | 6;
  /** The first address of the block. */
  readonly address: string;
  readonly prefixLength: number;
}

/** Null for what is no address and no block. Bits behind the prefix are cleared, as switches do themselves. */
export function parseBlock(text: string): AddressBlock | null {
  const found = /^([0-9a-fA-F.:]{2,45})(?:\/(\d{1,3}))?$/.exec(text);
  const address = canonicalAddress(found?.[1] ?? '');
  if (found === null || address === null) return null;
  const family = isIPv4(address) ? 4 : 6;
  const most = family === 4 ? 32 : 128;
  // An IPv4 address in IPv6 clothes has the first 96 bits of its prefix in them.
  const clothed = family === 4 && text.includes(':') ? 96 : 0;
  const prefixLength = found[2] === undefined ? most : Number(found[2]) - clothed;
  if (prefixLength < 0 || prefixLength > most) return null;
  return { family, address: firstOf(address, family, prefixLength), prefixLength };
}

/** `10.0.0.1`, `10.0.0.0/8`. */
export function blockText({ family, address, prefixLength }: AddressBlock): string {
  return isSingle({ family, prefixLength }) ? address : `${address}/${prefixLength}`;
}

export function isSingle({ family, prefixLength }: Pick<AddressBlock, 'family' | 'prefixLength'>): boolean {
  return prefixLength === (family === 4 ? 32 : 128);
}

/** Whether one machine of a network can be looked for by it: not itself, its link alone, a group, or an address of nobody (RFC 6890). */
export function isOfOneMachine(block: AddressBlock): boolean {
  return isSingle(block) && !ofNobody.some((wider) => contains(wider, block));
}

/** Where one who looks for that IPv6 address asks (RFC 4291 2.7.1); null for a block and for IPv4. */
export function solicitedNode(block: AddressBlock): string | null {
  if (block.family !== 6 || !isSingle(block)) return null;
  const groups = groupsOf(block.address);
  return compressedGroups([0xff02, 0, 0, 0, 0, 1, 0xff00 | ((groups[6] ?? 0) & 0xff), groups[7] ?? 0]);
}

/** Without those that lie within another: a switch's sets take no block twice. */
export function distinctBlocks(blocks: readonly AddressBlock[]): readonly AddressBlock[] {
  const widest = blocks.toSorted((one, other) => one.prefixLength - other.prefixLength);
  return widest.filter((block, index) => !widest.slice(0, index).some((wider) => contains(wider, block)));
}

export function contains(wider: AddressBlock, block: AddressBlock): boolean {
  const { family, prefixLength } = wider;
  if (family !== block.family || prefixLength > block.prefixLength) return false;
  return firstOf(block.address, family, prefixLength) === wider.address;
}

const ofNobody: readonly AddressBlock[] = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/127',
  'fe80::/10',
  'ff00::/8',
].flatMap((text) => parseBlock(text) ?? []);

function firstOf(address: string, family: 4 | 6, prefixLength: number): string {
  const width = family === 4 ? 8 : 16;
  const parts = family === 4 ? address.split('.').map(Number) : groupsOf(address);
  const cleared = parts.map((part, index) => {
    const kept = Math.min(Math.max(prefixLength - index * width, 0), width);
    return part & ~((1 << (width - kept)) - 1) & ((1 << width) - 1);
  });
  return family === 4 ? cleared.join('.') : compressedGroups(cleared);
}

/** The eight groups of a canonical IPv6 address. */
function groupsOf(address: string): readonly number[] {
  const [left = '', right] = address.split('::');
  const numbers = (text: string): readonly number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [before, after] = [numbers(left), numbers(right ?? '')];
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
}
