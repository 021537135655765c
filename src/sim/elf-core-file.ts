// A small ELF core file as QEMU lays one out: head, table of segments, notes, memory.

export interface CoreParts {
  readonly bits: 32 | 64;
  readonly processors: number;
  /** Bytes of each piece of memory. */
  readonly segments: readonly number[];
}

export function coreOf({ bits, processors, segments }: CoreParts): Buffer {
  const wide = bits === 64;
  const headBytes = wide ? 64 : 52;
  const entryBytes = wide ? 56 : 32;
  const note = Buffer.concat(Array.from({ length: processors }, statusNote));
  const sizes = [note.length, ...segments];
  const table = Buffer.alloc(entryBytes * sizes.length);
  let offset = headBytes + table.length;
  sizes.forEach((size, index) => {
    const at = index * entryBytes;
    table.writeUInt32LE(index === 0 ? 4 : 1, at);
    if (wide) {
      table.writeBigUInt64LE(BigInt(offset), at + 8);
      table.writeBigUInt64LE(BigInt(size), at + 32);
    } else {
      table.writeUInt32LE(offset, at + 4);
      table.writeUInt32LE(size, at + 16);
    }
    offset += size;
  });
  const head = Buffer.alloc(headBytes);
  head.write('\x7fELF', 'latin1');
  head.set([wide ? 2 : 1, 1, 1], 4);
  head.writeUInt16LE(4, 16);
  if (wide) head.writeBigUInt64LE(BigInt(headBytes), 32);
  else head.writeUInt32LE(headBytes, 28);
  head.writeUInt16LE(entryBytes, wide ? 54 : 42);
  head.writeUInt16LE(sizes.length, wide ? 56 : 44);
  return Buffer.concat([head, table, note, ...segments.map((size, index) => Buffer.alloc(size, index + 1))]);
}

/** NT_PRSTATUS of `CORE`, with a description of twelve bytes. */
function statusNote(): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(5, 0);
  head.writeUInt32LE(12, 4);
  head.writeUInt32LE(1, 8);
  return Buffer.concat([head, Buffer.from('CORE\0\0\0\0', 'latin1'), Buffer.alloc(12)]);
}
