// External snapshots as libvirt is told of them and tells of them: where the memory is, in which file each disk went on, and which it
// had before. Written through `xml`, so that no file's name becomes markup.
// Source: https://libvirt.org/formatsnapshot.html
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { elementPlaces } from '../xml/element-places.ts';
import { attributeOf, childOf, childrenOf, parseXml, textAt } from '../xml/xml-element.ts';
import { xml } from '../xml/xml-text.ts';
import { type DomainDisk, disksOf } from './domain-disks.ts';

export interface ExternalSnapshotOrder {
  readonly name: string;
  readonly memory: string;
  /** Every disk of the domain, by its target; `overlay` null = it is left as it is. */
  readonly disks: readonly { readonly target: string; readonly overlay: string | null }[];
}

export interface SnapshotRecord {
  readonly name: string;
  /** Null = its memory is in no file of its own. */
  readonly memory: string | null;
  /** In which qcow2 file each disk went on, by its target. */
  readonly overlays: ReadonlyMap<string, string>;
  /** The `<domain>` as it ran then, as libvirt wrote it. */
  readonly definition: string;
  /** Its disks. */
  readonly before: readonly DomainDisk[];
}

export function externalSnapshotXml({ name, memory, disks }: ExternalSnapshotOrder): string {
  const each = disks.map(({ target, overlay }) =>
    overlay === null
      ? xml('disk', '', { name: target, snapshot: 'no' })
      : xml('disk', [xml('driver', '', { type: 'qcow2' }), xml('source', '', { file: overlay })], {
          name: target,
          snapshot: 'external',
          type: 'file',
        }),
  );
  return xml('domainsnapshot', [
    xml('name', name),
    xml('description', 'made by Plumbline'),
    xml('memory', '', { snapshot: 'external', file: memory }),
    xml('disks', each),
  ]).markup;
}

export function readSnapshot(snapshotXml: string): Result<SnapshotRecord> {
  const read = parseXml(snapshotXml);
  if (!read.ok) return read;
  const name = textAt(read.value, 'name');
  const domain = childOf(read.value, 'domain');
  if (read.value.name !== 'domainsnapshot' || name === null || domain === null)
    return fail(problem('unreadable', 'What libvirt says of a snapshot names no snapshot of a domain.'));
  const places = elementPlaces(snapshotXml, 'domainsnapshot/domain');
  if (!places.ok) return places;
  const [place] = places.value;
  const memory = childOf(read.value, 'memory');
  const overlays = childrenOf(childOf(read.value, 'disks'), 'disk').flatMap((disk) => {
    const source = childOf(disk, 'source');
    const [target, file] = [attributeOf(disk, 'name'), source && attributeOf(source, 'file')];
    return attributeOf(disk, 'snapshot') === 'external' && target && file ? [[target, file] as const] : [];
  });
  return ok({
    name,
    memory: memory !== null && attributeOf(memory, 'snapshot') === 'external' ? attributeOf(memory, 'file') : null,
    overlays: new Map(overlays),
    definition: snapshotXml.slice(place?.start, place?.end),
    before: disksOf(domain),
  });
}
