// How the gdb remote protocol frames its words: `$TEXT#CHECKSUM`. Bytes in, texts out; knows no command.
// Source: gdb manual, appendix "Remote Protocol", Overview.

/** QEMU's own buffer holds 4096 bytes of payload; its longest answers are those and a little. */
const packetBytesMax = 64 * 1024;

const dollar = 0x24;
const hash = 0x23;
const plus = 0x2b;

/** What the other side sends when a packet came whole. */
export const acknowledgement = '+';

export function encodePacket(text: string): string {
  return `$${text}#${checksumOf(text)}`;
}

/** Two hexadecimal digits: the sum of the bytes, modulo 256. */
function checksumOf(text: string): string {
  let sum = 0;
  for (let index = 0; index < text.length; index += 1) sum += text.charCodeAt(index);
  return (sum % 256).toString(16).padStart(2, '0');
}

/** Puts packets together from whatever pieces they come in. Noise between packets is passed over. */
export class PacketReader {
  readonly #tellsAcknowledgements: boolean;
  #rest: Buffer = Buffer.alloc(0);
  #damaged = 0;

  /** With `tellsAcknowledgements`, each is among the texts, in its place, as `acknowledgement`; they are passed over otherwise. */
  constructor(tellsAcknowledgements = false) {
    this.#tellsAcknowledgements = tellsAcknowledgements;
  }

  /** Packets with a wrong checksum, or longer than any can be; they are left out. */
  get damaged(): number {
    return this.#damaged;
  }

  /** The texts completed by `chunk`, in order. */
  feed(chunk: Buffer): readonly string[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const packets: string[] = [];
    let from = 0;
    for (;;) {
      const start = bytes.indexOf(dollar, from);
      if (this.#tellsAcknowledgements) {
        const gap = bytes.subarray(from, start < 0 ? undefined : start);
        for (const byte of gap) if (byte === plus) packets.push(acknowledgement);
      }
      if (start < 0) {
        this.#rest = Buffer.alloc(0);
        return packets;
      }
      const end = bytes.indexOf(hash, start);
      if (end < 0 || end + 2 >= bytes.length) {
        this.#keep(bytes, start);
        return packets;
      }
      const text = bytes.toString('latin1', start + 1, end);
      if (checksumOf(text) === bytes.toString('latin1', end + 1, end + 3).toLowerCase()) packets.push(text);
      else this.#damaged += 1;
      from = end + 3;
    }
  }

  #keep(bytes: Buffer, start: number): void {
    if (bytes.length - start > packetBytesMax) {
      this.#damaged += 1;
      this.#rest = Buffer.alloc(0);
    } else this.#rest = Buffer.from(bytes.subarray(start));
  }
}
