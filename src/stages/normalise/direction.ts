// Which side began a connection, told from the ports on which the VM listens. Sockets read from outside carry no direction.
import type { Protocol } from '../../model/observation.ts';
import { isEphemeral } from '../../pattern/port-pattern.ts';

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
 * A connection to a port that is listened on came in. When its listener has gone, the side with the ephemeral port is the
 * caller; when that does not tell either, the VM is: a wrongly suspected call is looked at, a wrongly trusted one is not.
 */
export function directionOf(ends: ConnectionEnds, listening: ReadonlySet<string>): 'outbound' | 'inbound' {
  if (listening.has(listenerKey(ends.proto, ends.localPort))) return 'inbound';
  return !isEphemeral(ends.localPort) && isEphemeral(ends.remotePort) ? 'inbound' : 'outbound';
}
