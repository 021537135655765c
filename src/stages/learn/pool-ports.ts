// Listeners on ports the kernel chose: when one executable was seen on several ephemeral ports, the port says nothing and
// `ephemeral` takes their place. One or two ports stay exact, since a fixed port may lie in that range too.
import type { Behaviour, ListenBehaviour } from '../../model/behaviour.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { isEphemeral } from '../../pattern/port-pattern.ts';
import { mergeEntries } from './merge.ts';

/** Distinct ephemeral ports of one executable that stay exact. */
export const exactPortsMax = 2;

/** Widens in place where the listeners in `touched` have shown several ports. */
export function poolPorts(entries: Map<string, ProfileEntry>, touched: readonly Behaviour[]): void {
  const keys = new Set(touched.filter(isEphemeralListener).map(keyOf));
  if (keys.size === 0) return;
  const listeners = [...entries.values()].flatMap((entry) => {
    const { behaviour } = entry;
    return isEphemeralListener(behaviour) && keys.has(keyOf(behaviour)) ? [{ entry, key: keyOf(behaviour) }] : [];
  });
  const groups = Map.groupBy(listeners, ({ key }) => key);
  for (const group of groups.values()) {
    const [first, ...others] = group.map(({ entry }) => entry);
    const alreadyPooled = group.some(({ entry }) => portOf(entry.behaviour) === 'ephemeral');
    if (first === undefined || (!alreadyPooled && group.length <= exactPortsMax)) continue;
    const behaviour = { ...first.behaviour, port: 'ephemeral' } as ListenBehaviour;
    const pooled = mergeEntries(behaviour, [first, ...others]);
    for (const { entry } of group) entries.delete(behaviourId(entry.behaviour));
    entries.set(behaviourId(behaviour), pooled);
  }
}

function isEphemeralListener(behaviour: Behaviour): behaviour is ListenBehaviour {
  const port = portOf(behaviour);
  return port === 'ephemeral' || (port !== null && isEphemeral(Number(port)));
}

function portOf(behaviour: Behaviour): string | null {
  return behaviour.kind === 'listen' ? behaviour.port : null;
}

function keyOf({ exe, proto }: ListenBehaviour): string {
  return `${exe}\0${proto}`;
}
