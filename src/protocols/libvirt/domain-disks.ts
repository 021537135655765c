// The disks in a domain's definition as libvirt wrote it, each with the text that libvirt takes back when only its file is to be
// another. It is written anew from what was read, so that no file's name can become markup.
// Source: https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { attributeOf, childOf, childrenOf, parseXml, type XmlElement } from '../xml/xml-element.ts';
import { xml, type XmlText } from '../xml/xml-text.ts';

export type DiskFormat = 'qcow2' | 'raw';

export interface DomainDisk {
  /** Such as `vda`. */
  readonly target: string;
  readonly writable: boolean;
  /** Empty when it is in no file. */
  readonly file: string;
  readonly format: DiskFormat;
  /** Why nothing else can be put into its place and it be put back; null = it can. */
  readonly obstacle: string | null;
  /** Why nothing else can be put into its place, when it need not be put back. */
  readonly obstacleForGood: string | null;
  /** The whole `<disk>` with another file, of whose backing files nothing is said: libvirt looks. */
  readonly withFile: (file: string, format: DiskFormat) => string;
}

export function readDomainDisks(domainXml: string): Result<readonly DomainDisk[]> {
  const read = parseXml(domainXml);
  if (!read.ok) return read;
  if (read.value.name !== 'domain') return fail(problem('unreadable', "libvirt's definition is of no domain."));
  return ok(disksOf(read.value));
}

/** Of a `<domain>` that was read. */
export function disksOf(domain: XmlElement): readonly DomainDisk[] {
  return childrenOf(childOf(domain, 'devices'), 'disk').map(diskOf);
}

function diskOf(disk: XmlElement): DomainDisk {
  const [source, driver, target] = ['source', 'driver', 'target'].map((name) => childOf(disk, name));
  const format = driver == null ? null : attributeOf(driver, 'type');
  const device = attributeOf(disk, 'device') ?? 'disk';
  const obstacleForGood = obstacleTo(disk, device, format);
  const isChained = childOf(disk, 'backingStore') !== null;
  return {
    target: (target && attributeOf(target, 'dev')) ?? '',
    writable: device !== 'cdrom' && childOf(disk, 'readonly') === null,
    file: (source && attributeOf(source, 'file')) ?? '',
    format: format === 'raw' ? 'raw' : 'qcow2',
    obstacle: obstacleForGood ?? (isChained ? 'its definition has <backingStore>' : null),
    obstacleForGood,
    withFile: (file, as) => movedTo(disk, file, as).markup,
  };
}

/** What the definition says of this one file beyond its name would not be true of another. */
function obstacleTo(disk: XmlElement, device: string, format: string | null): string | null {
  const [source, driver] = [childOf(disk, 'source'), childOf(disk, 'driver')];
  if (device !== 'disk') return `it is a ${device}`;
  if (attributeOf(disk, 'type') !== 'file' || source === null || !attributeOf(source, 'file')) return 'it is no file';
  if (driver === null || attributeOf(driver, 'name') !== 'qemu') return 'its driver is not QEMU';
  if (format !== 'qcow2' && format !== 'raw') return `its format is ${format ?? 'not said'}, not qcow2 or raw`;
  if (source.children.length + driver.children.length > 0)
    return 'its definition says more of its file than where it is';
  const special = ['shareable', 'transient', 'encryption', 'mirror', 'auth'].find(
    (name) => childOf(disk, name) !== null,
  );
  if (special !== undefined) return `its definition has <${special}>`;
  return isPlain(disk) ? null : 'its definition has names that cannot be written back';
}

const plainName = /^[A-Za-z_][\w-]*$/;

function isPlain({ name, namespace, attributes, children }: XmlElement): boolean {
  const names = [name, ...attributes.map((one) => one.name)];
  return (
    namespace === '' &&
    attributes.every((one) => one.namespace === '') &&
    names.every((one) => plainName.test(one)) &&
    children.every(isPlain)
  );
}

function movedTo(disk: XmlElement, file: string, format: DiskFormat): XmlText {
  const parts = disk.children
    .filter(({ name }) => name !== 'backingStore')
    .map((child) => {
      if (child.name === 'source') return written(child, { file });
      return written(child, child.name === 'driver' ? { type: format } : {});
    });
  return xml('disk', parts, attributesOf(disk));
}

function written(element: XmlElement, instead: Readonly<Record<string, string>>): XmlText {
  const { name, children, text } = element;
  const content = children.length === 0 ? text : children.map((child) => written(child, {}));
  return xml(name, content, { ...attributesOf(element), ...instead });
}

function attributesOf({ attributes }: XmlElement): Record<string, string> {
  return Object.fromEntries(attributes.map(({ name, value }) => [name, value]));
}
