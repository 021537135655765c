// Who is at the other end, as patterns: an address, a block, loopback, link-local, the internet, or any.
import { problem } from '../kit/problem.ts';
import { type Result, fail, ok } from '../kit/result.ts';
import {
  type Prefix,
  containsPrefix,
  parseAddress,
  parsePrefix,
  prefixOf,
  printAddress,
  printPrefix,
  unmapped,
} from './address.ts';

/** `internet` = every address that is not private: who may call anybody out there may not therefore call the neighbours. */
export type PeerPattern = 'any' | 'internet' | 'loopback' | 'link-local' | Prefix;

/** RFC 1122 3.2.1.3, RFC 4291 2.5.3; RFC 3927, RFC 4291 2.5.6. */
const classes = {
  loopback: prefixes('127.0.0.0/8', '::1/128'),
  'link-local': prefixes('169.254.0.0/16', 'fe80::/10'),
} as const;

/** Not routed on the internet: RFC 1918, RFC 6598, RFC 4193, multicast (RFC 5771, RFC 4291), broadcast, and the two classes above. */
const privateBlocks = [
  ...prefixes(
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '100.64.0.0/10',
    'fc00::/7',
    '224.0.0.0/4',
    'ff00::/8',
    '255.255.255.255/32',
  ),
  ...classes.loopback,
  ...classes['link-local'],
];

function prefixes(...texts: readonly string[]): readonly Prefix[] {
  return texts.map(parsePrefix).filter((prefix) => prefix !== null);
}

export function parsePeer(text: string): Result<PeerPattern> {
  if (text === 'any' || text === 'internet' || text === 'loopback' || text === 'link-local') return ok(text);
  const address = parseAddress(text);
  if (address !== null) return ok({ ...address, length: address.bits });
  const prefix = parsePrefix(text);
  if (prefix === null)
    return fail(
      problem(
        'usage',
        `${text.slice(0, 80)} is not a peer pattern.`,
        'Write an address, a block such as 10.1.0.0/16, loopback, link-local, internet or any.',
      ),
    );
  const block = prefixOf(prefix, prefix.length);
  if (block.value !== prefix.value)
    return fail(problem('usage', `${text} has bits set behind its prefix.`, `Write ${printPrefix(block)}.`));
  return ok(prefix);
}

export function printPeer(pattern: PeerPattern): string {
  if (typeof pattern === 'string') return pattern;
  return pattern.length === pattern.bits ? printAddress(pattern) : printPrefix(pattern);
}

/** An address that cannot be parsed matches `any` only. */
export function matchesPeer(pattern: PeerPattern, address: string): boolean {
  if (pattern === 'any') return true;
  const parsed = parseAddress(address);
  if (parsed === null) return false;
  const plain = unmapped(parsed);
  return subsumesPeer(pattern, { ...plain, length: plain.bits });
}

export function subsumesPeer(wide: PeerPattern, narrow: PeerPattern): boolean {
  if (wide === 'any') return true;
  if (narrow === 'any') return false;
  if (wide === 'internet')
    return narrow === 'internet' || blocksOf(narrow).every((inner) => !privateBlocks.some((each) => meet(each, inner)));
  // Private addresses lie scattered among the others, so that no block holds all the others.
  if (narrow === 'internet') return false;
  const blocks = blocksOf(wide);
  return blocksOf(narrow).every((inner) => blocks.some((outer) => containsPrefix(outer, inner)));
}

function meet(a: Prefix, b: Prefix): boolean {
  return containsPrefix(a, b) || containsPrefix(b, a);
}

/** The widest block that has something in common with this one: its private block, or the internet. Null = it holds both. */
export function reachOf(prefix: Prefix): Prefix | 'internet' | null {
  const inside = privateBlocks.find((block) => containsPrefix(block, prefix));
  if (inside !== undefined) return inside;
  return privateBlocks.some((block) => containsPrefix(prefix, block)) ? null : 'internet';
}

function blocksOf(pattern: Exclude<PeerPattern, 'any' | 'internet'>): readonly Prefix[] {
  return typeof pattern === 'string' ? classes[pattern] : [pattern];
}

/** Whether an address can be reached without leaving the organisation's own networks, going by its number alone. */
export function isPrivate(address: string): boolean {
  const parsed = parseAddress(address);
  if (parsed === null) return false;
  const plain = unmapped(parsed);
  return privateBlocks.some((block) => containsPrefix(block, { ...plain, length: plain.bits }));
}
