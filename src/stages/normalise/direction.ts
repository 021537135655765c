// Which side began a connection, told from the ports on which the VM listens. Sockets read from outside carry no direction.
import type { Protocol } from '../../model/observation.ts';
import { dynamicPorts, matchesPort } from '../../pattern/port-pattern.ts';

export interface ConnectionEnds {
  readonly proto: Protocol;
  readonly localPort: number;
  readonly remotePort: number;
}

/** Member of the set of listeners that `directionOf` takes. */
export function listenerKey(proto: Protocol, localPort: number): string {
  return `${proto}:${localPort}`;
}

/**
 * A connection to a port that is listened on came in. When its listener is not known, the side with the ephemeral port is the
 * caller. A UDP resolver takes any port above 1023, so there the side with a privileged port is the one that was called; TCP is
 * not judged so, because NFS clients call from privileged ports. When nothing tells, the VM is the caller: a wrongly
 * suspected call is looked at, a wrongly trusted one is not.
 */
export function directionOf(ends: ConnectionEnds, listening: ReadonlySet<string>): 'outbound' | 'inbound' {
  const { proto, localPort, remotePort } = ends;
  if (listening.has(listenerKey(proto, localPort))) return 'inbound';
  if (proto === 'udp' && isPrivileged(localPort) && !isPrivileged(remotePort)) return 'inbound';
  return !isDynamic(localPort) && isDynamic(remotePort) ? 'inbound' : 'outbound';
}

/** The other side may be of any system. */
function isDynamic(port: number): boolean {
  return matchesPort(dynamicPorts, port);
}

function isPrivileged(port: number): boolean {
  return port > 0 && port < 1024;
}
