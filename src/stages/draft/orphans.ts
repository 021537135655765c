// Sockets that no process owned when they were seen. They say less than the same socket with its owner, and allowing them
// would allow any executable, so they are kept only where nothing that was attributed explains them.
import type { ProfileEntry } from '../../model/profile.ts';
import {
  type BehaviourPattern,
  type ConnectionPattern,
  type ListenPattern,
  parseBehaviour,
  subsumes,
} from '../../pattern/behaviour-pattern.ts';

import { ephemeralPorts } from '../../pattern/port-pattern.ts';

type SocketPattern = ConnectionPattern | ListenPattern;

export function withoutOrphans(entries: readonly ProfileEntry[]): readonly ProfileEntry[] {
  const attributed = new Map<string, SocketPattern[]>();
  const orphans = new Map<ProfileEntry, SocketPattern>();
  for (const entry of entries) {
    if (entry.behaviour.kind === 'process') continue;
    const parsed = parseBehaviour(entry.behaviour);
    if (!parsed.ok || !isSocket(parsed.value)) continue;
    if (parsed.value.exe === '?') orphans.set(entry, parsed.value);
    else attributed.set(keyOf(parsed.value), [...(attributed.get(keyOf(parsed.value)) ?? []), parsed.value]);
  }
  if (orphans.size === 0) return entries;
  return entries.filter((entry) => {
    const orphan = orphans.get(entry);
    if (orphan === undefined) return true;
    const candidates = [...(attributed.get(keyOf(orphan)) ?? []), ...(attributed.get(ephemeralKey(orphan)) ?? [])];
    return !candidates.some((pattern) => subsumes({ ...pattern, exe: '?' }, orphan));
  });
}

function isSocket(pattern: BehaviourPattern): pattern is SocketPattern {
  return pattern.kind !== 'process';
}

function keyOf({ kind, proto, port }: SocketPattern): string {
  return `${kind} ${proto} ${port.low}-${port.high}`;
}

/** Learning widens listeners' ports to this one range and to no other. */
function ephemeralKey(pattern: SocketPattern): string {
  return keyOf({ ...pattern, port: ephemeralPorts });
}
