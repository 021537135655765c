// Unpacks LZ4's legacy frame, in which kernels of Debian 11 and 12 are compressed; Node has every other common one. The file comes
// from the reader's own system, yet every length is checked: a damaged one is refused, never half believed.
// Source: doc/lz4_Frame_format.md (legacy frame) and doc/lz4_Block_format.md of LZ4.

export const legacyMagic = 0x184c_2102;

/** The unpacked bytes, at most `sizeBytes`; null when the stream is damaged. */
export function unpackLz4Legacy(packed: Buffer, sizeBytes: number): Buffer<ArrayBuffer> | null {
  if (packed.length < 8 || packed.readUInt32LE(0) !== legacyMagic) return null;
  const out = Buffer.from(new ArrayBuffer(sizeBytes));
  let to = 0;
  let at = 4;
  while (at + 4 <= packed.length) {
    const length = packed.readUInt32LE(at);
    at += 4;
    if (length === 0 || at + length > packed.length) break;
    const end = unpackBlock(packed, at, at + length, out, to);
    if (end === null) return null;
    to = end;
    at += length;
  }
  return to === sizeBytes ? out : null;
}

/** Where the output ends after this block; null for damage. */
function unpackBlock(packed: Buffer, from: number, end: number, out: Buffer, start: number): number | null {
  let at = from;
  let to = start;
  while (at < end) {
    const token = packed[at] ?? 0;
    at += 1;
    let literals = token >> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && at < end) {
        more = packed[at] ?? 0;
        literals += more;
        at += 1;
      }
    }
    if (at + literals > end || to + literals > out.length) return null;
    packed.copy(out, to, at, at + literals);
    at += literals;
    to += literals;
    if (at >= end) return to;
    if (at + 2 > end) return null;

    const distance = packed.readUInt16LE(at);
    at += 2;
    let length = (token & 15) + 4;
    if (length === 19) {
      let more = 255;
      while (more === 255 && at < end) {
        more = packed[at] ?? 0;
        length += more;
        at += 1;
      }
    }
    if (distance === 0 || distance > to || to + length > out.length) return null;
    // A match may overlap what it makes: then it repeats, byte by byte.
    if (distance >= length) out.copyWithin(to, to - distance, to - distance + length);
    else for (let index = 0; index < length; index += 1) out[to + index] = out[to + index - distance] ?? 0;
    to += length;
  }
  return to;
}
