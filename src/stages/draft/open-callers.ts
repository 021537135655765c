// Programs that call the internet at large. Once learning has found so many networks behind one port of a program that its peers
// are nobody in particular, a new address on another port that the program is known to use says as little: the name behind it has
// moved. Without that evidence every peer stays as it was learned.
import type { OutboundBehaviour } from '../../model/behaviour.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import { administrationPorts } from '../../pattern/administration-ports.data.ts';
import { parseAddress, parsePrefix, prefixOf, printPrefix } from '../../pattern/address.ts';
import { reachOf } from '../../pattern/peer-pattern.ts';

const internet = 'internet';
/** The site of an address: what one organisation announces or rents, and moves its services about in. */
const siteLengths = { 32: 16, 128: 48 } as const;

/** Entries as they were, but for those of open callers: one site stays that site, several become the internet. */
export function widenOpenCallers(entries: readonly ProfileEntry[]): readonly ProfileEntry[] {
  const open = new Set(
    entries.flatMap(({ behaviour }) => (isOutbound(behaviour) && behaviour.peer === internet ? behaviour.exe : [])),
  );
  if (open.size === 0) return entries;
  const sites = new Map<string, Set<string>>();
  for (const { behaviour } of entries) {
    const site = siteOf(behaviour, open);
    if (site === null || !isOutbound(behaviour)) continue;
    const key = keyOf(behaviour);
    sites.set(key, (sites.get(key) ?? new Set()).add(site));
  }
  return entries.map((entry) => {
    const site = siteOf(entry.behaviour, open);
    if (site === null || !isOutbound(entry.behaviour)) return entry;
    const isMany = (sites.get(keyOf(entry.behaviour))?.size ?? 0) > 1;
    return { ...entry, behaviour: { ...entry.behaviour, peer: isMany ? internet : site } };
  });
}

function isOutbound(behaviour: ProfileEntry['behaviour']): behaviour is OutboundBehaviour {
  return behaviour.kind === 'outbound';
}

function keyOf({ exe, proto, port }: OutboundBehaviour): string {
  return [exe, proto, port].join('\0');
}

/** Null for everything that stays as it is. */
function siteOf(behaviour: ProfileEntry['behaviour'], open: ReadonlySet<string>): string | null {
  if (!isOutbound(behaviour) || !open.has(behaviour.exe) || administrationPorts.has(Number(behaviour.port)))
    return null;
  const address = parseAddress(behaviour.peer);
  const prefix = address === null ? parsePrefix(behaviour.peer) : { ...address, length: address.bits };
  if (prefix === null || reachOf(prefix) !== internet) return null;
  const length = siteLengths[prefix.bits];
  return prefix.length <= length ? behaviour.peer : printPrefix(prefixOf(prefix, length));
}
