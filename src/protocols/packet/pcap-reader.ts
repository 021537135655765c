// Reads a capture file as it grows (pcap, https://www.tcpdump.org/manpages/pcap-savefile.5.html): bytes in, packets out.
// Keeps no more than one packet that is not whole yet.
import { problem } from '../../kit/problem.ts';
import type { Problem } from '../../kit/problem.ts';

export interface CapturedPacket {
  /** Milliseconds since the Unix epoch, by the clock of the host that captured. */
  readonly atMs: number;
  /** As much of the frame as was kept; a view that is good until the next call. */
  readonly bytes: Buffer;
}

const fileHeaderBytes = 24;
const recordHeaderBytes = 16;
const magicMicroseconds = 0xa1b2c3d4;
const magicNanoseconds = 0xa1b23c4d;
const linkTypeEthernet = 1;
/** tcpdump never writes more for one packet (MAXIMUM_SNAPLEN). */
const packetBytesMax = 262_144;

export class PcapReader {
  #rest: Buffer = Buffer.alloc(0);
  #bigEndian: boolean | null = null;
  #ticksPerMs = 1000;
  #problem: Problem | null = null;

  /** Why no more packets come: what was read is no capture of Ethernet frames. Null while all is well. */
  get problem(): Problem | null {
    return this.#problem;
  }

  /** Calls `take` for each packet that is whole now, in order. */
  read(chunk: Buffer, take: (packet: CapturedPacket) => void): void {
    if (this.#problem !== null) return;
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    if (this.#bigEndian === null) {
      if (bytes.length < fileHeaderBytes) return this.#keep(bytes);
      if (!this.#begin(bytes)) return;
      at = fileHeaderBytes;
    }
    while (at + recordHeaderBytes <= bytes.length) {
      const sizeBytes = this.#u32(bytes, at + 8);
      if (sizeBytes > packetBytesMax) return this.#fail(`it holds a packet of ${sizeBytes} bytes`);
      const end = at + recordHeaderBytes + sizeBytes;
      if (end > bytes.length) break;
      const atMs = this.#u32(bytes, at) * 1000 + this.#u32(bytes, at + 4) / this.#ticksPerMs;
      take({ atMs, bytes: bytes.subarray(at + recordHeaderBytes, end) });
      at = end;
    }
    this.#keep(bytes.subarray(at));
  }

  #begin(bytes: Buffer): boolean {
    for (const bigEndian of [false, true]) {
      this.#bigEndian = bigEndian;
      const magic = this.#u32(bytes, 0);
      if (magic !== magicMicroseconds && magic !== magicNanoseconds) continue;
      this.#ticksPerMs = magic === magicMicroseconds ? 1000 : 1_000_000;
      // The upper bits say whether frames carry a check sequence.
      const linkType = this.#u32(bytes, 20) & 0x0fff_ffff;
      if (linkType === linkTypeEthernet) return true;
      this.#fail(`it holds frames of another kind (link type ${linkType})`);
      return false;
    }
    this.#fail('it does not begin as one');
    return false;
  }

  #u32(bytes: Buffer, at: number): number {
    return this.#bigEndian === true ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
  }

  /** A copy, so that a few bytes do not keep a large chunk alive. */
  #keep(bytes: Buffer): void {
    this.#rest = Buffer.from(bytes);
  }

  #fail(why: string): void {
    this.#rest = Buffer.alloc(0);
    this.#problem = problem(
      'unreadable',
      `This is no capture of Ethernet frames: ${why}.`,
      'Check what tcpdump writes.',
    );
  }
}
