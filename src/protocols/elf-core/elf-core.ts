// The head of an ELF core file, as QEMU writes a guest's memory: which machine, how many processors' registers, how much memory,
// and whether all of it is in the file. Source: elf(5); dump/dump.c in QEMU.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

export interface ElfCore {
  readonly bits: 32 | 64;
  /** NT_PRSTATUS notes: one for each virtual processor. */
  readonly processors: number;
  /** In all segments together: RAM, and what else the guest sees as memory (firmware, video memory). */
  readonly memoryBytes: number;
  readonly fileBytes: number;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly sizeBytes: number;
}

const headBytes = 64;
const typeCore = 4;
const segmentNote = 4;
const segmentLoad = 1;
const noteProcessorStatus = 1;
/** PN_XNUM and above say that the number stands elsewhere; no VM has so many pieces of memory. */
const segmentsMax = 4096;
const notesBytesMax = 64 * 1024 * 1024;

/** Never throws. What is cut short, or is something else, is a problem of kind `unreadable`. */
export function readElfCore(path: string): Result<ElfCore> {
  let file = -1;
  try {
    file = openSync(path, 'r');
    return parseElfCore(fstatSync(file).size, readerOf(file));
  } catch (thrown) {
    return fail(problem('unreadable', `${path} cannot be read: ${causeOf(thrown)}.`));
  } finally {
    if (file >= 0) closeSync(file);
  }
}

export type ReadAt = (offset: number, sizeBytes: number) => Buffer;

/** `read` answers fewer bytes where the file ends. */
export function parseElfCore(fileBytes: number, read: ReadAt): Result<ElfCore> {
  const head = read(0, headBytes);
  if (head.length < headBytes || head.toString('latin1', 0, 4) !== '\x7fELF') return notOne('it does not begin as one');
  const bits = head[4] === 2 ? 64 : head[4] === 1 ? 32 : null;
  if (bits === null || head[5] !== 1)
    return notOne('it is of a kind that QEMU does not write for little-endian guests');
  if (head.readUInt16LE(16) !== typeCore) return notOne('it is no core file');
  const segments = segmentsOf(head, bits, read);
  if (segments === null) return notOne('its table of segments is cut short or too long');
  const beyond = segments.find(({ offset, sizeBytes }) => offset + sizeBytes > fileBytes);
  if (beyond !== undefined)
    return notOne(`it has ${fileBytes} bytes, and a segment ends at ${beyond.offset + beyond.sizeBytes}`);
  const notes = segments.find(({ type }) => type === segmentNote);
  if (notes === undefined || notes.sizeBytes > notesBytesMax) return notOne('it has no notes of a bearable size');
  const memoryBytes = segments
    .filter(({ type }) => type === segmentLoad)
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return ok({ bits, processors: countStatus(read(notes.offset, notes.sizeBytes)), memoryBytes, fileBytes });
}

function segmentsOf(head: Buffer, bits: 32 | 64, read: ReadAt): readonly Segment[] | null {
  const wide = bits === 64;
  const tableOffset = wide ? Number(head.readBigUInt64LE(32)) : head.readUInt32LE(28);
  const entryBytes = head.readUInt16LE(wide ? 54 : 42);
  const count = head.readUInt16LE(wide ? 56 : 44);
  if (count === 0 || count > segmentsMax || entryBytes !== (wide ? 56 : 32)) return null;
  const table = read(tableOffset, count * entryBytes);
  if (table.length < count * entryBytes) return null;
  return Array.from({ length: count }, (_, index) => {
    const at = index * entryBytes;
    return {
      type: table.readUInt32LE(at),
      offset: wide ? Number(table.readBigUInt64LE(at + 8)) : table.readUInt32LE(at + 4),
      sizeBytes: wide ? Number(table.readBigUInt64LE(at + 32)) : table.readUInt32LE(at + 16),
    };
  });
}

function countStatus(notes: Buffer): number {
  let count = 0;
  for (let at = 0; at + 12 <= notes.length;) {
    const nameBytes = notes.readUInt32LE(at);
    const descriptionBytes = notes.readUInt32LE(at + 4);
    const isStatus = notes.readUInt32LE(at + 8) === noteProcessorStatus;
    if (isStatus && notes.toString('latin1', at + 12, at + 12 + 4) === 'CORE') count += 1;
    at += 12 + padded(nameBytes) + padded(descriptionBytes);
  }
  return count;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

function readerOf(file: number): ReadAt {
  return (offset, sizeBytes) => {
    const buffer = Buffer.alloc(sizeBytes);
    return buffer.subarray(0, readSync(file, buffer, 0, sizeBytes, offset));
  };
}

function notOne(why: string): Result<never> {
  return fail(problem('unreadable', `The file is not the memory of a VM: ${why}.`));
}
