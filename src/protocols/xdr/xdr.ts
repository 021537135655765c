// XDR (RFC 4506), as much as libvirt's protocol and sFlow use: big-endian, everything padded to four bytes.

const padding = Buffer.alloc(3);

export class XdrWriter {
  #parts: Buffer[] = [];

  u32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value >>> 0);
    this.#parts.push(bytes);
    return this;
  }

  i32(value: number): this {
    return this.u32(value);
  }

  /** Bytes of a length both sides know. */
  fixed(bytes: Uint8Array): this {
    this.#parts.push(Buffer.from(bytes), padding.subarray(0, pad(bytes.length)));
    return this;
  }

  text(value: string): this {
    const bytes = Buffer.from(value, 'utf8');
    return this.u32(bytes.length).fixed(bytes);
  }

  /** A value that may be absent: a flag, then the value. */
  optionalText(value: string | null): this {
    return value === null ? this.u32(0) : this.u32(1).text(value);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

/**
 * Reads what the other side wrote. Past the end it gives zeros and empty texts and remembers it in `broken`, so that a
 * message is decoded first and judged once.
 */
export class XdrReader {
  readonly #bytes: Buffer;
  #at = 0;
  #broken = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Something was asked for that the message does not hold. */
  get broken(): boolean {
    return this.#broken;
  }

  u32(): number {
    const at = this.#take(4);
    return at === null ? 0 : this.#bytes.readUInt32BE(at);
  }

  i32(): number {
    return this.u32() | 0;
  }

  /** 64 bits; exact below 2^53. */
  hyper(): number {
    const high = this.i32();
    return high * 0x1_0000_0000 + this.u32();
  }

  fixed(length: number): Buffer {
    const at = this.#take(length + pad(length));
    return at === null ? Buffer.alloc(length > 64 ? 0 : length) : this.#bytes.subarray(at, at + length);
  }

  text(): string {
    return this.fixed(this.u32()).toString('utf8');
  }

  optionalText(): string | null {
    return this.u32() === 0 ? null : this.text();
  }

  #take(length: number): number | null {
    const at = this.#at;
    if (this.#broken || at + length > this.#bytes.length) {
      this.#broken = true;
      return null;
    }
    this.#at += length;
    return at;
  }
}

function pad(length: number): number {
  return (4 - (length % 4)) % 4;
}
