// Peers of one executable on one port, climbing to blocks when they become many: addresses of callers and of large services
// change, the network they are in does much less.
//
// Order cannot matter: a block is taken as soon as it holds more than `siblingsMax` distinct blocks of the next narrower
// length, and until then each of them is kept, so whether it is taken depends only on which addresses were seen.
import type { Behaviour, InboundBehaviour, OutboundBehaviour } from '../../model/behaviour.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import { type Prefix, parseAddress, parsePrefix, prefixOf, printPrefix } from '../../pattern/address.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { printPeer, reachOf } from '../../pattern/peer-pattern.ts';
import { mergeEntries } from './merge.ts';

type Connection = OutboundBehaviour | InboundBehaviour;

/** Distinct blocks that stay apart inside the next wider one. */
export const siblingsMax = 8;

/** From an address upwards: subnet, site; above them everybody within reach (reachOf). */
const lengths = { 32: [24, 16], 128: [64, 48] } as const;

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

/** Null prefix = everybody within reach. */
interface Peer {
  readonly prefix: Prefix | null;
  readonly entry: ProfileEntry;
}

/** Null when nothing changes. */
function poolGroup(group: readonly ProfileEntry[]): readonly ProfileEntry[] | null {
  const kept: ProfileEntry[] = [];
  const byReach = new Map<string, Peer[]>();
  for (const entry of group) {
    const placed = placeOf(entry);
    if (placed === null) kept.push(entry);
    else byReach.set(placed.reach, [...(byReach.get(placed.reach) ?? []), placed.peer]);
  }
  const pooled = [...byReach].flatMap(([reach, peers]) => poolReach(reach, peers));
  const all = [...kept, ...pooled.map(({ entry }) => entry)];
  return all.length === group.length ? null : all;
}

/** Null for loopback and the like, which are not one of many, and for what a person wrote wider than learning would. */
function placeOf(entry: ProfileEntry): { readonly reach: string; readonly peer: Peer } | null {
  if (!isConnection(entry.behaviour)) return null;
  const { peer } = entry.behaviour;
  if (peer === 'internet') return { reach: peer, peer: { prefix: null, entry } };
  const address = parseAddress(peer);
  const prefix = address === null ? parsePrefix(peer) : { ...address, length: address.bits };
  const reach = prefix === null ? null : reachOf(prefix);
  if (prefix === null || reach === null) return null;
  const text = printPeer(reach);
  return { reach: text, peer: { prefix: text === printPeer(prefix) ? null : prefix, entry } };
}

function poolReach(reach: string, peers: readonly Peer[]): readonly Peer[] {
  const pooled = climb(climb(peers, 0), 1);
  const isTaken = pooled.some(({ prefix }) => prefix === null);
  if (!isTaken && pooled.length <= siblingsMax) return pooled;
  const sites = new Set(pooled.map(({ prefix }) => (prefix === null ? '' : siteOf(prefix))));
  return isTaken || sites.size > siblingsMax ? [merged(pooled, reach, null)] : pooled;
}

function climb(peers: readonly Peer[], level: 0 | 1): readonly Peer[] {
  const isBelow = ({ prefix }: Peer): boolean => prefix !== null && prefix.length >= lengths[prefix.bits][level];
  const blocks = Map.groupBy(peers.filter(isBelow), ({ prefix }) => (prefix === null ? '' : blockOf(prefix, level)));
  return [
    ...peers.filter((peer) => !isBelow(peer)),
    ...[...blocks].flatMap(([block, inside]) => settle(block, inside, level)),
  ];
}

function blockOf(prefix: Prefix, level: 0 | 1): string {
  return printPrefix(prefixOf(prefix, lengths[prefix.bits][level]));
}

/** The block just below everybody within reach, in which an address or block lies. */
function siteOf(prefix: Prefix): string {
  return prefix.length < lengths[prefix.bits][1] ? printPrefix(prefix) : blockOf(prefix, 1);
}

/** All peers of one block: kept apart while they are few, one entry for the block when they are many. */
function settle(block: string, inside: readonly Peer[], level: 0 | 1): readonly Peer[] {
  const isTaken = inside.some(({ prefix }) => prefix !== null && prefix.length === lengths[prefix.bits][level]);
  const children =
    level === 0 ? inside.length : new Set(inside.map(({ prefix }) => (prefix === null ? '' : blockOf(prefix, 0)))).size;
  return isTaken || children > siblingsMax ? [merged(inside, block, parsePrefix(block))] : inside;
}

function merged(peers: readonly Peer[], peer: string, prefix: Prefix | null): Peer {
  const [first, ...others] = peers.map(({ entry }) => entry);
  if (first === undefined) throw new Error('a block is made of at least one peer');
  return { prefix, entry: mergeEntries({ ...first.behaviour, peer } as Connection, [first, ...others]) };
}
