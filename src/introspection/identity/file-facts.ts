// What the guest's kernel knows of one open file: which version of which file it is, how long, on what kind of file system.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import { filePath } from '../guest/file-path.ts';

export interface FileFacts {
  readonly path: string;
  readonly inode: PhysicalAddress;
  readonly superBlock: PhysicalAddress;
  /** Where its pages are kept; `nowhere` when there is no such thing. */
  readonly mapping: PhysicalAddress;
  readonly inodeNumber: number;
  readonly generation: number;
  readonly mtimeMs: number;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  /** A name such as `ext4`, or the magic number in hexadecimal. */
  readonly fileSystem: string;
  readonly regular: boolean;
  /** Encrypted by the file system: what is on the disk is not what is in memory. */
  readonly encrypted: boolean;
  /** Changes whenever the kernel knows that the file changed; equal for the same contents of the same file. */
  readonly version: string;
}

/** From include/uapi/linux/magic.h. */
const fileSystems: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x5846_5342: 'xfs',
  0x9123_683e: 'btrfs',
  0x0102_1994: 'tmpfs',
  0x8584_58f6: 'ramfs',
  0x794c_7630: 'overlay',
  0x7371_7368: 'squashfs',
  0xe0f5_e1e2: 'erofs',
  0x6969: 'nfs',
  0x0102_1997: '9p',
  0x6573_5546: 'fuse',
  0x9584_58f6: 'hugetlbfs',
};
const typeMask = 0o170_000;
const regularFile = 0o100_000;
/** S_ENCRYPTED in include/linux/fs.h. */
const encryptedFlag = 0x4000;
/** Larger files are possible, and no executable. */
const sizeBytesMax = 2 ** 46;

/** Null when this is no file that can be understood. */
export function readFileFacts(space: KernelSpace, file: PhysicalAddress): FileFacts | null {
  const { pages, profile } = space;
  const { fields } = profile;
  const inodeAt = fields['file.f_inode'];
  const inode = inodeAt === undefined ? nowhere : space.pointer(file + inodeAt);
  const { 'inode.i_mode': mode, 'inode.i_ino': number, 'inode.i_size': size, 'inode.i_sb': superBlockAt } = fields;
  const magicAt = fields['super_block.s_magic'];
  const mappingAt = fields['inode.i_mapping'];
  if (inode === nowhere || mode === undefined || number === undefined || size === undefined) return null;
  if (superBlockAt === undefined || magicAt === undefined || mappingAt === undefined) return null;
  const superBlock = space.pointer(inode + superBlockAt);
  const sizeBytes = pages.u64(inode + size);
  if (superBlock === nowhere || sizeBytes > sizeBytesMax) return null;
  const word = (at: number | undefined): number => (at === undefined ? 0 : pages.u32(inode + at));
  const magic = pages.u32(superBlock + magicAt);
  const inodeNumber = pages.u64(inode + number);
  const generation = word(fields['inode.i_generation']);
  const mtime = [word(fields['inode.mtime.seconds']), word(fields['inode.mtime.nanoseconds'])] as const;
  const ctime = [word(fields['inode.ctime.seconds']), word(fields['inode.ctime.nanoseconds'])] as const;
  return {
    path: filePath(space, file) ?? '?',
    inode,
    superBlock,
    mapping: space.pointer(inode + mappingAt),
    inodeNumber,
    generation,
    mtimeMs: mtime[0] * 1000 + Math.floor(mtime[1] / 1e6),
    sizeBytes,
    blockBytes:
      2 ** Math.min(16, fields['inode.i_blkbits'] === undefined ? 12 : pages.u8(inode + fields['inode.i_blkbits'])),
    fileSystem: fileSystems[magic] ?? `0x${magic.toString(16)}`,
    regular: (pages.u16(inode + mode) & typeMask) === regularFile,
    encrypted: (word(fields['inode.i_flags']) & encryptedFlag) !== 0,
    // The address of the super block tells file systems apart; ctime moves also when mtime was set back.
    version: [superBlock, inodeNumber, generation, ...mtime, ...ctime, sizeBytes].join('.'),
  };
}
