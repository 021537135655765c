// What is said to QEMU's gdb stub to let a guest go, whatever state another client left it in. Bytes in, text out; no socket here.
// Source of the facts: gdbstub/gdbstub.c and gdbstub/system.c of QEMU 7.2 to 10.
import { encodePacket, PacketReader } from '../../../protocols/gdb/packet.ts';

/** How a guest was left: running; or paused as somebody else had paused it, without our stop points. */
export type Freed = 'running' | 'left-paused';

export type Turn = Freed | 'waiting' | { readonly write: string };

const removalsMax = 64;
const removal = /^z[0-4],[0-9a-f]{1,16},[0-9a-f]{1,2}$/;

/** Packets a tracer may name to take out its stop points; anything else could make QEMU do other things. */
export function areRemovals(values: unknown): values is readonly string[] {
  return (
    Array.isArray(values) &&
    values.length <= removalsMax &&
    values.every((value) => typeof value === 'string' && removal.test(value))
  );
}

/**
 * One connection to a stub, from its opening until the guest is free.
 *
 * Half a packet may lie in QEMU from whoever spoke before, on this connection or an earlier one: `#00` ends it with a checksum
 * that does not match. A byte that reaches a running guest stops it and is swallowed: the leading 0x03 is there to be that byte.
 * Said again, the whole does no more than once, and its last packet is the one after which the guest runs.
 */
export class DetachConversation {
  readonly #removals: readonly string[];
  readonly #reader = new PacketReader();
  #detaches: boolean;
  #ranBefore = false;

  /** `removals` = packets that take the stop points out of a guest that is to stay paused; null = let it run. */
  constructor(removals: readonly string[] | null) {
    this.#removals = removals ?? [];
    this.#detaches = removals === null;
  }

  /** What to write when the connection stands, and again when no answer came. */
  attempt(): string {
    // `?` is answered by every stub and comes last, so that it can be told when all points are out.
    const packets = this.#detaches ? ['D'] : [...this.#removals, '?'];
    return `\x03#00${packets.map((packet) => encodePacket(packet)).join('')}`;
  }

  take(bytes: Buffer): Turn {
    for (const said of this.#reader.feed(bytes)) {
      const turn = this.#hear(said);
      if (turn !== 'waiting') return turn;
    }
    return 'waiting';
  }

  #hear(said: string): Turn {
    if (this.#detaches) return said === 'OK' ? 'running' : 'waiting';
    // QEMU up to 8.0 tells of the stop that connecting causes: whoever said the guest was paused was out of date.
    if (said.startsWith('T02')) this.#ranBefore = true;
    if (!said.startsWith('T05')) return 'waiting';
    if (!this.#ranBefore) return 'left-paused';
    this.#detaches = true;
    return { write: this.attempt() };
  }
}
