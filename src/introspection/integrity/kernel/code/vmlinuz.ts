// Takes the kernel out of the image a distribution installs as /boot/vmlinuz: an ELF file with the relocations for KASLR behind it.
// Source: Documentation/arch/x86/boot.rst and arch/x86/boot/compressed/misc.c in Linux.
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { causeOf, problem } from '../../../../kit/problem.ts';
import { fail, ok } from '../../../../kit/result.ts';
import type { Result } from '../../../../kit/result.ts';
import { legacyMagic, unpackLz4Legacy } from './lz4-legacy.ts';

const setupSectorsAt = 0x1f1;
const signatureAt = 0x202;
const payloadAt = 0x248;
const payloadLengthAt = 0x24c;
const sectorBytes = 512;
const kernelBytesMax = 256 * 1024 * 1024;
const zstdMagic = 0xfd2f_b528;
const mend = 'Give the vmlinuz of the guest’s distribution, as it lies in /boot.';

/** The uncompressed kernel with what follows it. */
export function unpackVmlinuz(file: Buffer): Result<Buffer> {
  const isImage = file.length > 0x260 && file.toString('latin1', signatureAt, signatureAt + 4) === 'HdrS';
  if (!isImage) return fail(problem('unreadable', 'This file is no Linux kernel image for x86.', mend));
  const setupSectors = file[setupSectorsAt] === 0 ? 4 : (file[setupSectorsAt] ?? 4);
  const from = (setupSectors + 1) * sectorBytes + file.readUInt32LE(payloadAt);
  const length = file.readUInt32LE(payloadLengthAt);
  if (length < 8 || from + length > file.length) {
    return fail(problem('unreadable', 'The kernel image is cut off.', mend));
  }
  // The last four bytes say how large it becomes.
  const packed = file.subarray(from, from + length - 4);
  const sizeBytes = file.readUInt32LE(from + length - 4);
  if (sizeBytes > kernelBytesMax)
    return fail(problem('unreadable', 'The kernel image is larger than any kernel.', mend));
  const unpacked = unpack(packed, sizeBytes);
  if (!unpacked.ok) return unpacked;
  if (unpacked.value.length !== sizeBytes || unpacked.value.toString('latin1', 0, 4) !== '\x7fELF') {
    return fail(problem('unreadable', 'The kernel image is damaged.', mend));
  }
  return unpacked;
}

function unpack(packed: Buffer, sizeBytes: number): Result<Buffer> {
  const limits = { maxOutputLength: sizeBytes };
  try {
    if (packed.readUInt32LE(0) === zstdMagic) return ok(zstdDecompressSync(packed, limits));
    if (packed.readUInt16LE(0) === 0x8b1f) return ok(gunzipSync(packed, limits));
    if (packed.readUInt32LE(0) === legacyMagic) {
      const plain = unpackLz4Legacy(packed, sizeBytes);
      return plain === null ? fail(problem('unreadable', 'The kernel image is damaged.', mend)) : ok(plain);
    }
  } catch (thrown) {
    return fail(problem('unreadable', `The kernel image is damaged: ${causeOf(thrown)}.`, mend));
  }
  return fail(
    problem(
      'unreadable',
      'The kernel image is compressed in a way that is not understood here (xz, LZMA, bzip2 or LZO).',
      'Kernels compressed with zstd, LZ4 or gzip are; without a file, integrity is held against the first look.',
    ),
  );
}
