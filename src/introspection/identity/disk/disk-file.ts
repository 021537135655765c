// One file of a guest on the VM's disk: which blocks are its own is read from the guest's memory, the blocks from the disk.
import { problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { FileFacts } from '../file-facts.ts';
import { isExtentRoot, nearestRoot, readExtents, rootBytes } from './extents.ts';
import type { Extent } from './extents.ts';
import { openFileSystemDisk } from './guest-disks.ts';
import type { FileSystemDisk, FileSystemPlace, GuestDisks } from './guest-disks.ts';

export interface DiskFile {
  /** `length` bytes of the file from `offset`, holes as zeros. */
  read(offset: number, length: number): Promise<Result<Buffer>>;
  close(): Promise<void>;
}

const sectorBytes = 512;
const uuidBytes = 16;
/** The structure has about 1.1 KiB, half of it before the inode. */
const beforeInodeBytes = 2048;
const readBytesMax = 256 * 1024;

export async function openDiskFile(space: KernelSpace, facts: FileFacts, disks: GuestDisks): Promise<Result<DiskFile>> {
  if (facts.fileSystem !== 'ext4') {
    return fail(problem('unreadable', `Files of ${facts.fileSystem} are not read from the disk, only those of ext4.`));
  }
  if (facts.encrypted) return fail(problem('unreadable', 'The file is encrypted on its disk.'));
  const place = fileSystemPlace(space, facts.superBlock);
  const root = extentRoot(space, facts.inode);
  if (place === null || root === null) {
    return fail(problem('unreadable', 'Could not find in the guest’s memory where on its disk the file lies.'));
  }
  const disk = await openFileSystemDisk(disks, place);
  if (!disk.ok) return disk;
  const { blockBytes } = facts;
  const extents = await readExtents(root, async (block) => disk.value.read(block * blockBytes, blockBytes));
  if (extents.ok) return ok(new Ext4File(disk.value, extents.value, blockBytes));
  await disk.value.close();
  return extents;
}

/** The partition's start and the file system's UUID; null when the kernel's layout is not known. */
function fileSystemPlace(space: KernelSpace, superBlock: PhysicalAddress): FileSystemPlace | null {
  const { pages, profile } = space;
  const { 'super_block.s_uuid': uuidAt, 'super_block.s_bdev': deviceAt } = profile.fields;
  const device = deviceAt === undefined ? nowhere : space.pointer(superBlock + deviceAt);
  if (uuidAt === undefined || device === nowhere) return null;
  const uuid = pages.copy(superBlock + uuidAt, uuidBytes);
  const {
    'block_device.bd_start_sect': start,
    'block_device.bd_part': part,
    'hd_struct.start_sect': partStart,
  } = profile.fields;
  if (start !== undefined) return { startBytes: pages.u64(device + start) * sectorBytes, uuid };
  const partition = part === undefined ? nowhere : space.pointer(device + part);
  if (partition === nowhere || partStart === undefined) return null;
  return { startBytes: pages.u64(partition + partStart) * sectorBytes, uuid };
}

/**
 * `i_data` of the ext4_inode_info that our VFS inode is part of. Where ext4 is a module the kernel does not describe that structure: then
 * it is found by its content, the nearest before the inode that can be a root, since it is the structure's first field.
 */
function extentRoot(space: KernelSpace, inode: PhysicalAddress): Buffer | null {
  const { 'ext4_inode_info.i_data': data, 'ext4_inode_info.vfs_inode': ours } = space.profile.fields;
  if (data !== undefined && ours !== undefined) {
    const root = space.pages.copy(inode - ours + data, rootBytes);
    return isExtentRoot(root) ? root : null;
  }
  return nearestRoot(space.pages.copy(inode - beforeInodeBytes, beforeInodeBytes));
}

class Ext4File implements DiskFile {
  readonly #disk: FileSystemDisk;
  readonly #extents: readonly Extent[];
  readonly #blockBytes: number;

  constructor(disk: FileSystemDisk, extents: readonly Extent[], blockBytes: number) {
    this.#disk = disk;
    this.#extents = extents;
    this.#blockBytes = blockBytes;
  }

  async read(offset: number, length: number): Promise<Result<Buffer>> {
    const into = Buffer.alloc(length);
    const end = offset + length;
    for (let at = this.#firstExtent(offset); at < this.#extents.length; at += 1) {
      const extent = this.#extents[at];
      if (extent === undefined || extent.from * this.#blockBytes >= end) break;
      const start = Math.max(offset, extent.from * this.#blockBytes);
      const stop = Math.min(end, (extent.from + extent.blocks) * this.#blockBytes);
      for (let from = start; extent.written && from < stop; from += readBytesMax) {
        const take = Math.min(readBytesMax, stop - from);
        const onDisk = (extent.at - extent.from) * this.#blockBytes + from;
        const read = await this.#disk.read(onDisk, take);
        if (!read.ok) return read;
        read.value.copy(into, from - offset);
      }
    }
    return ok(into);
  }

  close(): Promise<void> {
    return this.#disk.close();
  }

  /** Index of the first extent that ends after `offset`. */
  #firstExtent(offset: number): number {
    let low = 0;
    let high = this.#extents.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const extent = this.#extents[middle];
      if (extent !== undefined && (extent.from + extent.blocks) * this.#blockBytes <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
