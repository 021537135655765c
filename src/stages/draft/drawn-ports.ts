// Ports that somebody draws: a program that calls one peer on a new port each time (remote procedure calls, passive FTP, a
// resolver's answers), or is itself reached on a new one each time. The port then says nothing, and the narrowest range from which
// ports are drawn takes the place of those seen. A few ports stay exact.
import type { Behaviour } from '../../model/behaviour.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import {
  type PortPattern,
  dynamicPorts,
  ephemeralPorts,
  matchesPort,
  printPort,
  unprivilegedPorts,
} from '../../pattern/port-pattern.ts';

/** Distinct ports that stay exact are fewer than this. A server keeps its ports, so that fewer of them show that it draws them. */
export const drawnPortsMin = { outbound: 9, inbound: 3 } as const;

const ranges: readonly PortPattern[] = [ephemeralPorts, dynamicPorts, unprivilegedPorts];

export function widenDrawnPorts(entries: readonly ProfileEntry[]): readonly ProfileEntry[] {
  const groups = Map.groupBy(entries, ({ behaviour }) => keyOf(behaviour));
  return [...groups].flatMap(([key, group]) => (key === null ? group : widened(group)));
}

/** Null for what has no exact port that could have been drawn. */
function keyOf(behaviour: Behaviour): string | null {
  if (behaviour.kind !== 'outbound' && behaviour.kind !== 'inbound') return null;
  const { kind, exe, proto, peer } = behaviour;
  // Servers draw from what the system hands out; a caller is told where to go by somebody else.
  const drawn = kind === 'outbound' ? unprivilegedPorts : dynamicPorts;
  if (!matchesPort(drawn, Number(behaviour.port))) return null;
  return [kind, exe, proto, ...(kind === 'outbound' ? [peer] : [])].join('\0');
}

function widened(group: readonly ProfileEntry[]): readonly ProfileEntry[] {
  const ports = new Set(group.flatMap(({ behaviour }) => ('port' in behaviour ? Number(behaviour.port) : [])));
  const isFew = group.some(
    ({ behaviour: { kind } }) => (kind === 'outbound' || kind === 'inbound') && ports.size < drawnPortsMin[kind],
  );
  const range = ranges.find((each) => [...ports].every((port) => matchesPort(each, port)));
  if (isFew || range === undefined) return group;
  return group.map((entry) => ({ ...entry, behaviour: { ...entry.behaviour, port: printPort(range) } as Behaviour }));
}
