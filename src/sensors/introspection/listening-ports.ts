// Which side opened a connection: the ports a guest listens on, now and until shortly before.
import type { SocketView } from '../../introspection/guest/guest-view.ts';

/** Linux's default net.ipv4.ip_local_port_range (Documentation/networking/ip-sysctl.rst). */
export function isEphemeral(port: number): boolean {
  return port >= 32_768 && port <= 60_999;
}

/** A server that stopped leaves connections behind, in TIME_WAIT for 60 s. */
const rememberMs = 120_000;
/** All ports of both protocols in a handful of network namespaces. */
const portsMax = 262_144;

export class ListeningPorts {
  /** Key to the time it was last seen. */
  readonly #seen = new Map<string, number>();

  /** Takes the listeners of one sweep, before its connections are judged. */
  update(sockets: readonly SocketView[], nowMs: number): void {
    for (const socket of sockets) if (isListener(socket)) this.#remember(keyOf(socket), nowMs);
    for (const [key, lastMs] of this.#seen) if (nowMs - lastMs > rememberMs) this.#seen.delete(key);
  }

  /** Whether the local end of this connection is one the guest listens on. */
  has(socket: SocketView): boolean {
    return this.#seen.has(keyOf(socket));
  }

  #remember(key: string, nowMs: number): void {
    if (this.#seen.has(key) || this.#seen.size < portsMax) this.#seen.set(key, nowMs);
  }
}

function isListener(socket: SocketView): boolean {
  if (socket.protocol === 'tcp') return socket.state === 'LISTEN';
  return socket.remotePort === 0 && socket.localPort !== 0 && !isEphemeral(socket.localPort);
}

/** An IPv6 listener takes IPv4 connections as well, so that the family is no part of the key. */
function keyOf(socket: SocketView): string {
  return `${socket.protocol} ${socket.netNamespace} ${socket.localPort}`;
}
