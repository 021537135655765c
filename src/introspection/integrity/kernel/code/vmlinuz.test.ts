// Kernel images packed by the test in each way that is understood, damaged ones, and files that are something else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { array, assert as holds, nat, property } from 'fast-check';
import { openKernelFile } from './kernel-file.ts';
import { unpackLz4Legacy } from './lz4-legacy.ts';
import { unpackVmlinuz } from './vmlinuz.ts';

const elf = Buffer.concat([
  Buffer.from('\x7fELF', 'latin1'),
  Buffer.from('kernel kernel kernel kernel kernel '.repeat(40)),
]);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** One setup sector, then the payload with its size behind it. */
function image(packed: Buffer, sizeBytes = elf.length): Buffer {
  const header = Buffer.alloc(1024);
  header[0x1f1] = 1;
  header.write('HdrS', 0x202);
  header.writeUInt32LE(0, 0x248);
  header.writeUInt32LE(packed.length + 4, 0x24c);
  return Buffer.concat([header, packed, u32(sizeBytes)]);
}

/** Literals, then a match that overlaps what it makes, then literals: every form a block has. */
function lz4(): Buffer {
  const block = Buffer.concat([Buffer.from([0x4f]), elf.subarray(0, 4), Buffer.from([1, 0, 10])]);
  const tail = Buffer.concat([Buffer.from([0xf0, 5]), Buffer.alloc(20, 0x41)]);
  return Buffer.concat([u32(0x184c_2102), u32(block.length + tail.length), block, tail]);
}
const lz4Plain = Buffer.concat([elf.subarray(0, 4), Buffer.alloc(29, 'F'), Buffer.alloc(20, 0x41)]);

test('zstd, gzip and LZ4 are understood', () => {
  for (const packed of [zstdCompressSync(elf), gzipSync(elf)]) {
    const unpacked = unpackVmlinuz(image(packed));
    assert.ok(unpacked.ok && unpacked.value.equals(elf));
  }
  const unpacked = unpackVmlinuz(image(lz4(), lz4Plain.length));
  assert.ok(unpacked.ok && unpacked.value.equals(lz4Plain));
});

test('what is no kernel image, or a damaged one, is refused in a sentence', () => {
  const good = image(zstdCompressSync(elf));
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [Buffer.alloc(0), /is no Linux kernel image/],
    [Buffer.from('#!/bin/sh\n'.repeat(200)), /is no Linux kernel image/],
    [good.subarray(0, good.length - 40), /is cut off/],
    [image(zstdCompressSync(elf).fill(0x11, 12, 24)), /is damaged/],
    [image(zstdCompressSync(elf), elf.length + 1), /is damaged/],
    [image(Buffer.from('\xfd7zXZ\0 and so on', 'latin1')), /compressed in a way/],
    [image(zstdCompressSync(elf), 0xffff_ffff), /larger than any/],
    [image(zstdCompressSync(Buffer.alloc(elf.length, 1))), /is damaged/],
  ];
  for (const [file, says] of cases) {
    const unpacked = unpackVmlinuz(file);
    assert.ok(!unpacked.ok);
    assert.match(unpacked.error.message, says);
  }
  // An ELF file that is no kernel.
  const opened = openKernelFile(good);
  assert.ok(!opened.ok && opened.error.kind === 'unreadable');
});

test('no bytes whatever make the unpacker throw, hang or write past its end', () => {
  holds(
    property(array(nat(255), { maxLength: 200 }), nat(400), (bytes, size) => {
      const packed = Buffer.concat([u32(0x184c_2102), u32(bytes.length), Buffer.from(bytes)]);
      const out = unpackLz4Legacy(packed, size);
      assert.ok(out === null || out.length === size);
    }),
  );
});
