// Sockets that no process owned when they were seen. They say less than the same socket with its owner, and allowing them
// would allow any executable, so they are kept only where what was attributed does not explain them: what comes in belongs to
// whoever listens; what went out could be any program's, and is taken for the seen ones' only while those are the majority.
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
  const sockets = entries.flatMap((entry) => {
    const parsed = entry.behaviour.kind === 'process' ? null : parseBehaviour(entry.behaviour);
    return parsed?.ok === true && isSocket(parsed.value) ? [{ entry, pattern: parsed.value }] : [];
  });
  const orphans = new Map(sockets.filter(isOrphan).map(({ entry, pattern }) => [entry, pattern]));
  if (orphans.size === 0) return entries;
  const attributed = Map.groupBy(
    sockets.filter((socket) => !isOrphan(socket)),
    ({ pattern }) => keyOf(pattern),
  );
  return entries.filter((entry) => {
    const orphan = orphans.get(entry);
    if (orphan === undefined) return true;
    const explains = ({ pattern }: Socket): boolean => subsumes({ ...pattern, exe: '?' }, orphan);
    const explaining = [...new Set([keyOf(orphan), ephemeralKey(orphan)])].flatMap(
      (key) => attributed.get(key)?.filter(explains) ?? [],
    );
    return orphan.kind === 'outbound' ? entry.count > countOf(explaining) : explaining.length === 0;
  });
}

function countOf(sockets: readonly Socket[]): number {
  return sockets.reduce((sum, { entry }) => sum + entry.count, 0);
}

interface Socket {
  readonly entry: ProfileEntry;
  readonly pattern: SocketPattern;
}

function isOrphan({ pattern }: Socket): boolean {
  return pattern.exe === '?';
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
