// Programs that call the internet at large. Once learning has found so many networks behind one port of a program that its peers
// are nobody in particular, a new address on another port that the program is known to use says as little: the name behind it has
// moved. Without that evidence every peer stays as it was learned.
import { frequenciesOf, richness } from '../../kit/unseen-species.ts';
import type { OutboundBehaviour } from '../../model/behaviour.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import { administrationPorts } from '../../pattern/administration-ports.data.ts';
import { parseAddress, parsePrefix, prefixOf, printPrefix } from '../../pattern/address.ts';
import { reachOf } from '../../pattern/peer-pattern.ts';
import { knownProgram } from '../../pattern/program.ts';

const internet = 'internet';
/** What happens within it is one occasion. */
const occasionMs = 600_000;
/** A list that grew on fewer occasions may have been found whole. */
const occasionsMin = 3;

interface Seen {
  readonly first: number;
  readonly last: number;
}

/** The site of an address: what one organisation announces or rents, and moves its services about in. */
const siteLengths = { 32: 16, 128: 48 } as const;

/** Entries as they were, but for those of open callers: one site stays that site, several become the internet. */
export function widenOpenCallers(learned: readonly ProfileEntry[]): readonly ProfileEntry[] {
  const entries = widenToSites(learned);
  const open = new Set([
    ...entries.flatMap(({ behaviour }) => (isOutbound(behaviour) && behaviour.peer === internet ? behaviour.exe : [])),
    ...neverClosing(entries, ({ exe }) => exe),
  ]);
  if (open.size === 0) return entries;
  const sites = new Map<string, Set<string>>();
  for (const { behaviour } of entries) {
    const site = isOutbound(behaviour) && open.has(behaviour.exe) ? siteOf(behaviour) : null;
    if (site === null || !isOutbound(behaviour)) continue;
    const key = keyOf(behaviour);
    sites.set(key, (sites.get(key) ?? new Set()).add(site));
  }
  return entries.map((entry) => {
    const { behaviour } = entry;
    const site = isOutbound(behaviour) && open.has(behaviour.exe) ? siteOf(behaviour) : null;
    if (site === null || !isOutbound(behaviour)) return entry;
    const isMany = (sites.get(keyOf(behaviour))?.size ?? 0) > 1;
    return { ...entry, behaviour: { ...behaviour, peer: isMany ? internet : site } };
  });
}

/** Addresses behind one port whose list never closes stand for their sites. */
function widenToSites(entries: readonly ProfileEntry[]): readonly ProfileEntry[] {
  const open = new Set(neverClosing(entries, keyOf, ({ peer }) => peer));
  if (open.size === 0) return entries;
  return entries.map((entry) => {
    const { behaviour } = entry;
    const site = isOutbound(behaviour) && open.has(keyOf(behaviour)) ? siteOf(behaviour) : null;
    return site === null || !isOutbound(behaviour) ? entry : { ...entry, behaviour: { ...behaviour, peer: site } };
  });
}

/**
 * Groups whose peers came up one by one and hardly ever again, so that at least as many are unseen as seen (Chao's lower bound of
 * how many there are): a list of them will never be whole. Programs that do what their arguments say are in no group: of them a new
 * peer is news.
 */
function neverClosing(
  entries: readonly ProfileEntry[],
  groupOf: (behaviour: OutboundBehaviour) => string,
  peerOf: (behaviour: OutboundBehaviour) => string | null = siteOf,
): readonly string[] {
  const groups = new Map<string, Map<string, Seen>>();
  for (const { behaviour, firstAt, lastAt } of entries) {
    if (!isOutbound(behaviour) || siteOf(behaviour) === null || knownProgram(behaviour.exe, []) !== null) continue;
    const peer = peerOf(behaviour) ?? behaviour.peer;
    const group = groups.get(groupOf(behaviour)) ?? new Map<string, Seen>();
    groups.set(groupOf(behaviour), group);
    const [first, last] = [Date.parse(firstAt), Date.parse(lastAt)];
    const known = group.get(peer) ?? { first, last };
    group.set(peer, { first: Math.min(known.first, first), last: Math.max(known.last, last) });
  }
  return [...groups].flatMap(([key, peers]) => (isClosing([...peers.values()]) ? [] : key));
}

function isClosing(peers: readonly Seen[]): boolean {
  const occasions = new Set(peers.map(({ first }) => Math.floor(first / occasionMs)));
  if (occasions.size < occasionsMin) return true;
  // How often a peer came again was not kept: whatever did counts as twice, which makes the bound a lower one still.
  const frequencies = frequenciesOf(peers.map(({ first, last }) => (last - first < occasionMs ? 1 : 2)));
  return richness(frequencies) < 2 * peers.length;
}

function isOutbound(behaviour: ProfileEntry['behaviour']): behaviour is OutboundBehaviour {
  return behaviour.kind === 'outbound';
}

function keyOf({ exe, proto, port }: OutboundBehaviour): string {
  return [exe, proto, port].join('\0');
}

/** Null for what is not one of many: the neighbours, ports of administration. */
function siteOf({ peer, port }: OutboundBehaviour): string | null {
  if (administrationPorts.has(Number(port))) return null;
  const address = parseAddress(peer);
  const prefix = address === null ? parsePrefix(peer) : { ...address, length: address.bits };
  if (prefix === null || reachOf(prefix) !== internet) return null;
  const length = siteLengths[prefix.bits];
  return prefix.length <= length ? peer : printPrefix(prefixOf(prefix, length));
}
