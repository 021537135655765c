// The TCP sockets of one look inside, to be asked for the owner of a flow seen outside. IPv4 on IPv6 sockets counts as IPv4.
import type { SocketView } from '../../introspection/guest/guest-view.ts';
import type { LiveFlow } from '../../sensors/flows/flow-record.ts';

const mapped = '::ffff:';
const anyAddress = new Set(['0.0.0.0', '::']);

export class SocketIndex {
  readonly #exact = new Set<string>();
  readonly #heldUnseen = new Set<string>();
  /** Local addresses by far end: a connection whose near end is translated on its way out keeps its far end. */
  readonly #byRemote = new Map<string, Set<string>>();
  readonly #listening = new Set<number>();
  readonly #localPorts = new Set<number>();
  readonly #addresses = new Set<string>();

  constructor(sockets: readonly SocketView[]) {
    for (const socket of sockets) {
      if (socket.protocol !== 'tcp') continue;
      const local = plain(socket.localAddress);
      this.#localPorts.add(socket.localPort);
      if (!anyAddress.has(local)) this.#addresses.add(local);
      if (socket.state === 'LISTEN') {
        this.#listening.add(socket.localPort);
        continue;
      }
      const remote = `${plain(socket.remoteAddress)} ${socket.remotePort}`;
      this.#exact.add(`${local} ${socket.localPort} ${remote}`);
      if (socket.heldUnseen === true) this.#heldUnseen.add(`${local} ${socket.localPort} ${remote}`);
      const locals = this.#byRemote.get(remote) ?? new Set();
      this.#byRemote.set(remote, locals.add(local));
    }
  }

  /** Some socket of the guest has this address for its own. */
  hasAddress(address: string): boolean {
    return this.#addresses.has(address);
  }

  listensOn(port: number): boolean {
    return this.#listening.has(port);
  }

  /** Any trace of somebody on that port: a listener, or a connection that one accepted. */
  knowsPort(port: number): boolean {
    return this.#localPorts.has(port);
  }

  /** Its socket is open, and no process that the guest lists holds it. */
  isHeldUnseen({ ends }: LiveFlow): boolean {
    return this.#heldUnseen.has(`${ends.localAddr} ${ends.localPort} ${ends.remoteAddr} ${ends.remotePort}`);
  }

  /**
   * A socket carries the flow. Containers, address translation and redirection within the guest change the near end: who comes
   * in from the same far end is the same; who goes out to it is when it does so from an address that is not the VM's on the wire.
   */
  owns({ ends, direction }: LiveFlow, isOutside: (address: string) => boolean): boolean {
    const remote = `${ends.remoteAddr} ${ends.remotePort}`;
    if (this.#exact.has(`${ends.localAddr} ${ends.localPort} ${remote}`)) return true;
    const locals = this.#byRemote.get(remote);
    if (locals === undefined) return false;
    if (direction === 'inbound') return true;
    for (const local of locals) if (local !== ends.localAddr && !isOutside(local)) return true;
    return false;
  }
}

function plain(address: string): string {
  return address.startsWith(mapped) ? address.slice(mapped.length) : address;
}
