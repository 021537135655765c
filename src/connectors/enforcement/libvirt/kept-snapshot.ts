// An external snapshot of ours as it is kept: what libvirt says of it, held against the files. One whose memory lies anywhere else than
// where we put it is somebody else's, and is not gone back to.
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { DiskFile } from '../../../protocols/libvirt/moved-disks.ts';
import { readSnapshot } from '../../../protocols/libvirt/domain-snapshots.ts';
import type { LibvirtClient, LibvirtDomain } from '../../../protocols/libvirt/libvirt-client.ts';
import { isPlainPath } from './golden-image.ts';
import { type MemoryFile, memoryPath, readMemoryFile } from './snapshot-files.ts';

export interface KeptSnapshot {
  readonly name: string;
  readonly memory: string;
  readonly file: MemoryFile;
  /** The domain as it ran then. It is libvirt's own, and not the one in the file of memory, which a QEMU may have been given to own. */
  readonly definition: string;
  /** What each disk had, by its target: nobody may write to it. */
  readonly bases: ReadonlyMap<string, DiskFile>;
}

/** `directory`: of evidence. */
export async function readExternalSnapshot(
  client: LibvirtClient,
  domain: LibvirtDomain,
  directory: string,
  uuid: string,
  name: string,
): Promise<Result<KeptSnapshot>> {
  const memory = memoryPath(directory, uuid, name);
  if (!memory.ok) return memory;
  const xml = await client.describeSnapshot(domain, name);
  if (!xml.ok) return xml;
  const record = readSnapshot(xml.value);
  if (!record.ok) return record;
  const { overlays, before, definition } = record.value;
  if (record.value.name !== name || record.value.memory !== memory.value)
    return notOurs(name, `its memory is not ${memory.value}`);
  const bases = before.filter(({ target }) => overlays.has(target));
  if (
    bases.length === 0 ||
    bases.length !== overlays.size ||
    new Set(bases.map(({ target }) => target)).size !== bases.length
  )
    return notOurs(name, 'libvirt does not say which disks it holds');
  const odd = bases.find(({ file, obstacleForGood }) => obstacleForGood !== null || !isPlainPath(file));
  if (odd !== undefined)
    return notOurs(name, `of its disk ${odd.target}, ${odd.obstacleForGood ?? 'the file has an odd name'}`);
  const file = await readMemoryFile(memory.value);
  if (!file.ok) return file;
  return ok({
    name,
    memory: memory.value,
    file: file.value,
    definition,
    bases: new Map(bases.map((disk) => [disk.target, { file: disk.file, format: disk.format }])),
  });
}

function notOurs(name: string, why: string): Result<never> {
  return fail(problem('refused', `The external snapshot ${name} cannot be gone back to: ${why}.`));
}
