// The disks of a running VM, read through QEMU itself: it exports them read-only over NBD on a socket of ours, so that what is read is what
// the guest would read, whatever the image's format, and nothing is mounted, locked or written.
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asList, asObject, asText } from '../../../kit/json-object.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';
import { openNbd } from '../../../protocols/nbd/nbd-client.ts';
import type { NbdReader } from '../../../protocols/nbd/nbd-client.ts';
import type { Monitor } from '../../../protocols/qmp/monitor.ts';

/** Where on a disk a file system is said to start, and how it is recognised. */
export interface FileSystemPlace {
  readonly startBytes: number;
  /** 16 bytes. */
  readonly uuid: Buffer;
}

export interface FileSystemDisk {
  /** Bytes from the start of the file system. */
  read(offset: number, length: number): Promise<Result<Buffer>>;
  close(): Promise<void>;
}

export interface GuestDisks {
  readonly monitor: Monitor;
  /** User QEMU runs as: it must be able to make a socket in our directory. */
  readonly qemuUid: number | null;
}

const exportPrefix = 'plumbline-read-';
const disksMax = 64;
/** From fs/ext4/ext4.h: the super block is 1 KiB into the file system. */
const superBlock = { at: 1024, bytes: 1024, magicAt: 56, magic: 0xef53, uuidAt: 104 } as const;
const busyMend = 'Its own NBD server may be in use, by a backup or a migration: try again when that is over.';

/** The disk that holds the file system of this UUID where the guest says it starts. Close it when done. */
export async function openFileSystemDisk(disks: GuestDisks, place: FileSystemPlace): Promise<Result<FileSystemDisk>> {
  const nodes = await diskNodes(disks.monitor);
  if (!nodes.ok) return nodes;
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-disk-'));
  const socket = join(directory, 'nbd.sock');
  const server = await startServer(disks, directory, socket);
  if (!server.ok) {
    rmSync(directory, { recursive: true, force: true });
    return server;
  }
  const stop = async (): Promise<void> => {
    await disks.monitor.execute('nbd-server-stop');
    rmSync(directory, { recursive: true, force: true });
  };
  for (const [index, node] of nodes.value.entries()) {
    const reader = await exportNode(disks.monitor, socket, node, `${exportPrefix}${index}`);
    if (!reader.ok) continue;
    if (await holds(reader.value, place)) {
      return ok({
        read: async (offset, length) => reader.value.read(place.startBytes + offset, length),
        async close() {
          reader.value.close();
          await stop();
        },
      });
    }
    reader.value.close();
  }
  await stop();
  return fail(
    problem(
      'not-found',
      'The file’s file system is directly on none of the VM’s disks.',
      'Encrypted disks, LVM and RAID inside the guest cannot be read from outside.',
    ),
  );
}

async function diskNodes(monitor: Monitor): Promise<Result<readonly string[]>> {
  const answer = await monitor.execute('query-block');
  if (!answer.ok) return answer;
  return ok(
    asList(answer.value, disksMax).flatMap((drive) => {
      const inserted = asObject(asObject(drive)?.['inserted']);
      const name = asText(inserted?.['node-name']);
      return name === null ? [] : [name];
    }),
  );
}

async function startServer({ monitor, qemuUid }: GuestDisks, directory: string, socket: string): Promise<Result<void>> {
  if (qemuUid !== null && qemuUid !== process.getuid?.()) {
    try {
      chownSync(directory, qemuUid, -1);
    } catch {
      // Not root: then QEMU runs as this user, or it says itself that it cannot.
    }
  }
  const start = async () =>
    monitor.execute('nbd-server-start', { addr: { type: 'unix', data: { path: socket } }, 'max-connections': 1 });
  const first = await start();
  if (first.ok) return ok(undefined);
  if (!(await onlyOursIsLeft(monitor))) return fail({ ...first.error, mend: busyMend });
  await monitor.execute('nbd-server-stop');
  const second = await start();
  return second.ok ? ok(undefined) : fail({ ...second.error, mend: busyMend });
}

/** A server that a killed predecessor of ours left behind exports our disks and no others. */
async function onlyOursIsLeft(monitor: Monitor): Promise<boolean> {
  const answer = await monitor.execute('query-block-exports');
  const exports = answer.ok ? asList(answer.value, disksMax) : [];
  return exports.length > 0 && exports.every((row) => asText(asObject(row)?.['id'])?.startsWith(exportPrefix) === true);
}

async function exportNode(monitor: Monitor, socket: string, node: string, id: string): Promise<Result<NbdReader>> {
  const exported = await monitor.execute('block-export-add', {
    type: 'nbd',
    id,
    name: id,
    'node-name': node,
    writable: false,
  });
  return exported.ok ? openNbd(socket, id) : exported;
}

async function holds(reader: NbdReader, { startBytes, uuid }: FileSystemPlace): Promise<boolean> {
  if (startBytes + superBlock.at + superBlock.bytes > reader.sizeBytes) return false;
  const read = await reader.read(startBytes + superBlock.at, superBlock.bytes);
  if (!read.ok || read.value.readUInt16LE(superBlock.magicAt) !== superBlock.magic) return false;
  return read.value.subarray(superBlock.uuidAt, superBlock.uuidAt + uuid.length).equals(uuid);
}
