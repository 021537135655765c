// Peers of one executable on one port, climbing to blocks when they become many: addresses of callers and of large services
// change, the network they are in does much less.
//
// Order cannot matter: a block is taken as soon as it holds more than `siblingsMax` distinct blocks of the next narrower
// length, and until then each of them is kept, so whether it is taken depends only on which addresses were seen.
import type { Behaviour, InboundBehaviour, OutboundBehaviour } from '../../model/behaviour.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import { type Prefix, parseAddress, parsePrefix, prefixOf, printPrefix } from '../../pattern/address.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { mergeEntries } from './merge.ts';

type Connection = OutboundBehaviour | InboundBehaviour;

/** Distinct blocks that stay apart inside the next wider one. */
export const siblingsMax = 8;

/** From an address upwards: subnet, site, everybody. */
const lengths = { 32: [24, 16, 0], 128: [64, 48, 0] } as const;

/** Widens in place where the connections in `touched` have made a block full. */
export function poolPeers(entries: Map<string, ProfileEntry>, touched: readonly Behaviour[]): void {
  const keys = new Set(touched.filter(isConnection).map(keyOf));
  if (keys.size === 0) return;
  const groups = new Map<string, ProfileEntry[]>();
  for (const entry of entries.values()) {
    if (!isConnection(entry.behaviour)) continue;
    const key = keyOf(entry.behaviour);
    if (!keys.has(key)) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  for (const group of groups.values()) {
    const pooled = poolGroup(group);
    if (pooled === null) continue;
    for (const entry of group) entries.delete(behaviourId(entry.behaviour));
    for (const entry of pooled) entries.set(behaviourId(entry.behaviour), entry);
  }
}

function isConnection(behaviour: Behaviour): behaviour is Connection {
  return behaviour.kind === 'outbound' || behaviour.kind === 'inbound';
}

/** Everything but the peer. */
function keyOf({ kind, exe, proto, port }: Connection): string {
  return [kind, exe, proto, port].join('\0');
}

interface Peer {
  readonly prefix: Prefix;
  readonly entry: ProfileEntry;
}

/** Null when nothing changes. */
function poolGroup(group: readonly ProfileEntry[]): readonly ProfileEntry[] | null {
  const named: ProfileEntry[] = [];
  const peers: Peer[] = [];
  for (const entry of group) {
    const prefix = prefixIn(entry.behaviour);
    if (prefix === null) named.push(entry);
    else peers.push({ prefix, entry });
  }
  let pooled: readonly Peer[] = peers;
  for (const level of [0, 1, 2] as const) pooled = climb(pooled, level);
  return pooled.length === peers.length ? null : [...named, ...pooled.map((peer) => peer.entry)];
}

/** Null for loopback and the like, which are not one of many. */
function prefixIn(behaviour: Behaviour): Prefix | null {
  if (!isConnection(behaviour)) return null;
  const address = parseAddress(behaviour.peer);
  return address === null ? parsePrefix(behaviour.peer) : { ...address, length: address.bits };
}

function climb(peers: readonly Peer[], level: 0 | 1 | 2): readonly Peer[] {
  const parents = new Map<string, { readonly block: Prefix; readonly inside: Peer[] }>();
  const result: Peer[] = [];
  for (const peer of peers) {
    const length = lengths[peer.prefix.bits][level];
    if (peer.prefix.length < length) {
      result.push(peer);
      continue;
    }
    const block: Prefix = prefixOf(peer.prefix, length);
    const key = printPrefix(block);
    const parent = parents.get(key);
    if (parent === undefined) parents.set(key, { block, inside: [peer] });
    else parent.inside.push(peer);
  }
  for (const { block, inside } of parents.values()) result.push(...settle(block, inside, level));
  return result;
}

function settle(block: Prefix, inside: readonly Peer[], level: 0 | 1 | 2): readonly Peer[] {
  const alreadyTaken = inside.some((peer) => peer.prefix.length === block.length);
  if (!alreadyTaken && distinctChildren(inside, level) <= siblingsMax) return inside;
  const [first, ...others] = inside.map((peer) => peer.entry);
  if (first === undefined) return inside;
  const behaviour = { ...first.behaviour, peer: printPrefix(block) } as Connection;
  return [{ prefix: block, entry: mergeEntries(behaviour, [first, ...others]) }];
}

function distinctChildren(inside: readonly Peer[], level: 0 | 1 | 2): number {
  if (level === 0) return inside.length;
  return new Set(inside.map(({ prefix }) => printPrefix(prefixOf(prefix, lengths[prefix.bits][level - 1] ?? 0)))).size;
}
