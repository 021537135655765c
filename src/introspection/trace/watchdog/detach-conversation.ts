// What is said to QEMU's gdb stub to let a guest go, whatever state another client left it in. Bytes in, text out; no socket here.
// Source of the facts: gdbstub/gdbstub.c and gdbstub/system.c of QEMU 7.2 to 10, and trials on 7.2.
import { encodePacket, PacketReader } from '../../../protocols/gdb/packet.ts';

/** How a guest was left: running, or standing as somebody else had stopped it; without our stop points in either case. */
export type Freed = 'running' | 'left-paused';

export type Turn = Freed | 'waiting' | { readonly write: string };

const vcpusMax = 1024;
const saidCharactersMax = 256 * 1024;
/** Half a packet may lie in QEMU from whoever spoke before: this ends it, with a checksum that does not match. */
const endOfHalfPacket = '#00';
/** A byte that reaches a running guest stops it and is swallowed: this is that byte. */
const interrupt = '\x03';

/**
 * One connection to a stub, from its opening until the guest is free. Connecting has stopped the guest; it is asked why it stood
 * before, and then let run by `D`, which takes out every point. `D` is never said to a guest that others stopped: one that has been
 * migrated away would run twice.
 *
 * Nothing is ever said after `D` on the same connection: QEMU has no CPU selected then, and a second `D` crashes it (7.2, seen).
 */
export class DetachConversation {
  readonly #staysPaused: boolean;
  readonly #reader = new PacketReader();
  #asked: 'status' | 'detach' | 'clear' = 'status';
  #said = '';
  #answers = 0;
  #ranBefore = false;

  /** `staysPaused`: the tracer knew of somebody else's pause. QEMU says `paused` also of a pause that was the tracer's own. */
  constructor(staysPaused: boolean) {
    this.#staysPaused = staysPaused;
  }

  /** What to write when the connection stands, and again when no answer came; null = nothing more may be said on it. */
  attempt(): string | null {
    if (this.#asked === 'detach') return null;
    this.#answers = 0;
    return `${interrupt}${endOfHalfPacket}${this.#question()}`;
  }

  take(bytes: Buffer): Turn {
    for (const said of this.#reader.feed(bytes)) {
      const turn = this.#hear(said);
      if (turn !== 'waiting') return turn;
    }
    return 'waiting';
  }

  #question(): string {
    if (this.#asked === 'detach') return encodePacket('D');
    if (this.#asked === 'status') return [monitorLine('info status'), monitorLine('info cpus')].join('');
    // `?` takes out the points of the vCPU selected by `Hc`, and of no other.
    const vcpus = Math.min(Math.max(this.#said.match(/CPU #\d+/g)?.length ?? 1, 1), vcpusMax);
    return Array.from({ length: vcpus }, (_, i) => [`Hc${(i + 1).toString(16)}`, '?'])
      .flat()
      .map((packet) => encodePacket(packet))
      .join('');
  }

  #hear(said: string): Turn {
    // QEMU up to 8.0 tells of the stop that connecting causes.
    if (said.startsWith('T02')) this.#ranBefore = true;
    if (this.#asked === 'detach') return said === 'OK' ? 'running' : 'waiting';
    if (this.#asked === 'clear') return this.#hearCleared(said);
    if (/^O[0-9a-f]+$/.test(said)) {
      this.#said = (this.#said + Buffer.from(said.slice(1), 'hex').toString('latin1')).slice(-saidCharactersMax);
    }
    // A stub without a monitor gives an empty answer to each.
    if (said !== 'OK' && said !== '') return 'waiting';
    this.#answers += 1;
    if (this.#answers < 2) return 'waiting';
    this.#asked = this.#isOthersStop() ? 'clear' : 'detach';
    this.#answers = 0;
    return { write: this.#question() };
  }

  #hearCleared(said: string): Turn {
    if (said.startsWith('T05')) this.#answers += 1;
    const wanted = this.#question().split('$?').length - 1;
    return this.#answers < wanted ? 'waiting' : 'left-paused';
  }

  #isOthersStop(): boolean {
    if (this.#ranBefore) return false;
    const why = /VM status: paused \(([a-z-]+)\)/.exec(this.#said)?.[1];
    return why === undefined ? this.#staysPaused : why !== 'debug';
  }
}

function monitorLine(line: string): string {
  return encodePacket(`qRcmd,${Buffer.from(line).toString('hex')}`);
}
