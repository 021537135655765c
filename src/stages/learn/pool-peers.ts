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
  const connections = [...entries.values()].flatMap((entry) => {
    const key = isConnection(entry.behaviour) ? keyOf(entry.behaviour) : null;
    return key !== null && keys.has(key) ? [{ entry, key }] : [];
  });
  for (const group of Map.groupBy(connections, ({ key }) => key).values()) {
    const pooled = poolGroup(group.map(({ entry }) => entry));
    if (pooled === null) continue;
    for (const { entry } of group) entries.delete(behaviourId(entry.behaviour));
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
  const lengthOf = ({ prefix }: Peer): number => lengths[prefix.bits][level];
  const below = peers.filter((peer) => peer.prefix.length >= lengthOf(peer));
  const above = peers.filter((peer) => peer.prefix.length < lengthOf(peer));
  const blocks = Map.groupBy(below, (peer) => printPrefix(prefixOf(peer.prefix, lengthOf(peer))));
  return [...above, ...[...blocks.values()].flatMap((inside) => settle(inside, level))];
}

/** All peers of one block: kept apart while they are few, one entry for the block when they are many. */
function settle(inside: readonly Peer[], level: 0 | 1 | 2): readonly Peer[] {
  const [first, ...others] = inside;
  if (first === undefined) return [];
  const block = prefixOf(first.prefix, lengths[first.prefix.bits][level]);
  const alreadyTaken = inside.some((peer) => peer.prefix.length === block.length);
  if (!alreadyTaken && distinctChildren(inside, level) <= siblingsMax) return inside;
  const behaviour = { ...first.entry.behaviour, peer: printPrefix(block) } as Connection;
  const entry = mergeEntries(behaviour, [first.entry, ...others.map((peer) => peer.entry)]);
  return [{ prefix: block, entry }];
}

function distinctChildren(inside: readonly Peer[], level: 0 | 1 | 2): number {
  if (level === 0) return inside.length;
  return new Set(inside.map(({ prefix }) => printPrefix(prefixOf(prefix, lengths[prefix.bits][level - 1] ?? 0)))).size;
}
