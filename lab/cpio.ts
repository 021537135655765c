// Writes a cpio archive (newc, the form the kernel unpacks as initramfs) from values: same entries, same bytes, no root needed.

export type CpioEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'file'; readonly path: string; readonly content: Uint8Array | string; readonly mode?: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'device';
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

const typeBits = { directory: 0o040000, file: 0o100000, link: 0o120000, device: 0o020000 } as const;

/** Format: https://docs.kernel.org/driver-api/early-userspace/buffer-format.html */
export function packCpio(entries: readonly CpioEntry[]): Buffer {
  const pieces = entries.flatMap((entry, index) => packEntry(entry, index + 1));
  return Buffer.concat([...pieces, ...packMember('TRAILER!!!', 0, 0, Buffer.alloc(0))]);
}

function packEntry(entry: CpioEntry, inode: number): Buffer[] {
  const type = typeBits[entry.kind];
  switch (entry.kind) {
    case 'directory':
      return packMember(entry.path, inode, type | (entry.mode ?? 0o755), Buffer.alloc(0));
    case 'file':
      return packMember(entry.path, inode, type | (entry.mode ?? 0o644), Buffer.from(entry.content));
    case 'link':
      return packMember(entry.path, inode, type | 0o777, Buffer.from(entry.target));
    case 'device':
      return packMember(entry.path, inode, type | entry.mode, Buffer.alloc(0), entry);
  }
}

function packMember(
  path: string,
  inode: number,
  mode: number,
  content: Buffer,
  device: { readonly major: number; readonly minor: number } = { major: 0, minor: 0 },
): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const [uid, gid, links, time, filesystemMajor, filesystemMinor, checksum] = [0, 0, 1, 0, 0, 0, 0];
  const numbers = [
    inode,
    mode,
    uid,
    gid,
    links,
    time,
    content.length,
    filesystemMajor,
    filesystemMinor,
    device.major,
    device.minor,
    name.length,
    checksum,
  ];
  const header = Buffer.from(`070701${numbers.map((n) => n.toString(16).padStart(8, '0')).join('')}`);
  return [header, name, padding(header.length + name.length), content, padding(content.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
