// Ports of remote procedure calls on Windows: the endpoint mapper of a machine tells the port of each interface, which the machine
// draws anew whenever it starts. Who asks the mapper and calls such a port of the same machine calls the interface, not the port.
import type { Behaviour } from '../../model/behaviour.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import { matchesPort, printPort } from '../../pattern/port-pattern.ts';

/** [MS-RPCE] 2.1.1.1: the endpoint mapper; its answers lie in IANA's dynamic ports since Windows Vista (Microsoft KB 832017). */
const mapperPort = '135';
const endpointPorts = { low: 49_152, high: 65_535 };

/** Entries as they were, but for drawn ports of a peer whose endpoint mapper was asked as well. */
export function widenRemoteProcedures(entries: readonly ProfileEntry[]): readonly ProfileEntry[] {
  const asked = new Set(entries.flatMap(({ behaviour }) => (isMapper(behaviour) ? (keyOf(behaviour) ?? []) : [])));
  if (asked.size === 0) return entries;
  return entries.map((entry) => {
    const { behaviour } = entry;
    const key = keyOf(behaviour);
    if (key === null || !asked.has(key) || !('port' in behaviour)) return entry;
    if (!matchesPort(endpointPorts, Number(behaviour.port))) return entry;
    return { ...entry, behaviour: { ...behaviour, port: printPort(endpointPorts) } };
  });
}

function isMapper(behaviour: Behaviour): boolean {
  return behaviour.kind !== 'process' && behaviour.port === mapperPort;
}

/**
 * Who calls whom. A machine's own interfaces belong to many programs and its mapper to one of them, so that there only the caller
 * counts. Null for what is no such call.
 */
function keyOf(behaviour: Behaviour): string | null {
  if (behaviour.kind !== 'outbound' && behaviour.kind !== 'inbound') return null;
  if (behaviour.proto !== 'tcp') return null;
  return [behaviour.kind, behaviour.peer, ...(behaviour.kind === 'outbound' ? [behaviour.exe] : [])].join('\0');
}
