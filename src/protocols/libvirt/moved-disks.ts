// A domain's definition with some of its disks in other files. All else, which may be in anybody's language, stays as libvirt wrote it.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { elementPlaces } from '../xml/element-places.ts';
import { type DiskFormat, readDomainDisks } from './domain-disks.ts';

export interface DiskFile {
  readonly file: string;
  readonly format: DiskFormat;
}

/** `files` by the disk's target, each of which must be there once. */
export function withDiskFiles(domainXml: string, files: ReadonlyMap<string, DiskFile>): Result<string> {
  const places = elementPlaces(domainXml, 'domain/devices/disk');
  if (!places.ok) return places;
  const pieces: string[] = [];
  const moved: string[] = [];
  let from = 0;
  for (const { start, end } of places.value) {
    const read = readDomainDisks(`<domain><devices>${domainXml.slice(start, end)}</devices></domain>`);
    if (!read.ok) return read;
    const [disk] = read.value;
    const other = disk && files.get(disk.target);
    if (disk === undefined || other === undefined) continue;
    if (disk.obstacleForGood !== null) return unmovable(`of disk ${disk.target}, ${disk.obstacleForGood}`);
    pieces.push(domainXml.slice(from, start), disk.withFile(other.file, other.format));
    moved.push(disk.target);
    from = end;
  }
  if (moved.length !== files.size || new Set(moved).size !== files.size)
    return unmovable(`it has ${moved.length} of the ${files.size} disks`);
  return ok([...pieces, domainXml.slice(from)].join(''));
}

function unmovable(why: string): Result<never> {
  return fail(problem('unreadable', `The disks of a definition cannot be put into other files: ${why}.`));
}
