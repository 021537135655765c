// Where an ext4 file's contents lie on its disk: the tree of extents, its root taken from the guest's memory and not from the disk, which
// may be minutes behind. The bytes are the guest's: the tree is bounded in depth and size, every field checked.
// Source: fs/ext4/ext4_extents.h in Linux.
import { problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';

/** A stretch of the file; what lies in no extent, or in one that is not written, is zeros. */
export interface Extent {
  /** First block of the file. */
  readonly from: number;
  readonly blocks: number;
  /** First block of the file system. */
  readonly at: number;
  readonly written: boolean;
}

export const rootBytes = 60;
const magic = 0xf30a;
const headerBytes = 12;
const entryBytes = 12;
const depthMax = 5;
const rootEntries = 4;
const extentsMax = 100_000;
/** Longer means: allocated but not written, the length being what is above it. */
const writtenBlocksMax = 32_768;

/** Whether these bytes can be the root of such a tree. */
export function isExtentRoot(bytes: Buffer): boolean {
  return (
    bytes.readUInt16LE(0) === magic &&
    bytes.readUInt16LE(2) <= rootEntries &&
    bytes.readUInt16LE(4) === rootEntries &&
    bytes.readUInt16LE(6) <= depthMax
  );
}

/** The root that ends nearest to the end of these bytes; null when there is none. */
export function nearestRoot(bytes: Buffer): Buffer | null {
  for (let at = bytes.length - (bytes.length % 8) - 64; at >= 0; at -= 8) {
    const root = bytes.subarray(at, at + rootBytes);
    if (isExtentRoot(root)) return Buffer.from(root);
  }
  return null;
}

/** All extents of a file, ascending; `readBlock` reads one block of the file system. */
export async function readExtents(
  root: Buffer,
  readBlock: (block: number) => Promise<Result<Buffer>>,
): Promise<Result<readonly Extent[]>> {
  const extents: Extent[] = [];
  let reached = 0;

  const enter = async (node: Buffer, depth: number): Promise<Result<void>> => {
    const entries = node.readUInt16LE(2);
    const room = Math.floor((node.length - headerBytes) / entryBytes);
    if (node.readUInt16LE(0) !== magic || entries > room || node.readUInt16LE(6) !== depth) return fail(garbled);
    for (let index = 0; index < entries; index += 1) {
      const at = headerBytes + index * entryBytes;
      if (depth === 0) {
        const extent = extentAt(node, at);
        if (extent.from < reached || extent.blocks === 0 || extents.length >= extentsMax) return fail(garbled);
        reached = extent.from + extent.blocks;
        extents.push(extent);
        continue;
      }
      const child = await readBlock(node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 0x1_0000_0000);
      const below = child.ok ? await enter(child.value, depth - 1) : child;
      if (!below.ok) return below;
    }
    return ok(undefined);
  };

  if (!isExtentRoot(root)) return fail(garbled);
  const done = await enter(root, root.readUInt16LE(6));
  return done.ok ? ok(extents) : done;
}

function extentAt(node: Buffer, at: number): Extent {
  const length = node.readUInt16LE(at + 4);
  const written = length <= writtenBlocksMax;
  return {
    from: node.readUInt32LE(at),
    blocks: written ? length : length - writtenBlocksMax,
    at: node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 0x1_0000_0000,
    written,
  };
}

const garbled = problem('unreadable', 'The file’s map of disk blocks (ext4 extents) makes no sense.');
