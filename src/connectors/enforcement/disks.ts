// A guest's disks as QEMU's `query-block` lists them: which can hold a snapshot, and which snapshots they hold.
import type { Json } from '../../kit/canonical-json.ts';
import { asList, asObject, asText } from '../../kit/json-object.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';

export interface Disk {
  /** What QEMU calls the device, for a person. */
  readonly device: string;
  readonly node: string;
  readonly format: string;
  readonly writable: boolean;
  readonly snapshots: readonly string[];
  /** The file it is in, as QEMU names it; null when it is in none. */
  readonly file: string | null;
  /** What it is an overlay over. */
  readonly backing: string | null;
  /** As the guest sees it; null = QEMU does not say. */
  readonly virtualBytes: number | null;
}

const disksMax = 256;
const snapshotsMax = 10_000;

export async function readDisks(monitor: Monitor): Promise<Result<readonly Disk[]>> {
  const answer = await monitor.execute('query-block');
  if (!answer.ok) return answer;
  if (!Array.isArray(answer.value)) return fail(problem('unreadable', 'QEMU answered query-block with no list.'));
  return ok(asList(answer.value, disksMax).flatMap((entry) => diskOf(entry) ?? []));
}

/** An empty drive has no medium to keep anything on. */
function diskOf(entry: Json): Disk | null {
  const device = asObject(entry);
  const inserted = asObject(device?.['inserted']);
  if (device === null || inserted === null) return null;
  const node = asText(inserted['node-name']);
  if (node === null) return null;
  const image = asObject(inserted['image']);
  const kept = asList(image?.['snapshots'], snapshotsMax);
  const virtualBytes = image?.['virtual-size'];
  return {
    // A -blockdev has no device name, a hot-plugged one may have no path.
    device: asText(device['device']) || asText(device['qdev']) || node,
    node,
    format: asText(inserted['drv']) ?? 'unknown',
    writable: inserted['ro'] === false,
    file: asText(inserted['file']),
    backing: asText(image?.['full-backing-filename']) ?? asText(inserted['backing_file']),
    virtualBytes: typeof virtualBytes === 'number' && virtualBytes > 0 ? virtualBytes : null,
    snapshots: kept.flatMap((snapshot) => asText(asObject(snapshot)?.['name']) ?? []),
  };
}

/** The nodes an internal snapshot covers: every writable disk, or the disks would not fit the memory kept with them. */
export function snapshotNodes(disks: readonly Disk[]): Result<readonly string[]> {
  const writable = disks.filter((disk) => disk.writable);
  if (writable.length === 0)
    return fail(
      problem(
        'refused',
        'A snapshot cannot be made: the VM has no writable disk to keep it on.',
        'Give the VM a qcow2 disk, or answer with suspend instead.',
      ),
    );
  const raw = writable.find((disk) => disk.format !== 'qcow2');
  if (raw !== undefined)
    return fail(
      problem(
        'refused',
        `A snapshot cannot be made: disk ${raw.device} is ${raw.format}, which cannot hold one.`,
        'Convert it with `qemu-img convert -O qcow2`, attach it read-only, or answer with suspend instead.',
      ),
    );
  return ok(writable.map((disk) => disk.node));
}

/** Only what every writable disk holds can be gone back to. */
export function snapshotsEverywhere(disks: readonly Disk[]): readonly string[] {
  const [first, ...others] = disks.filter((disk) => disk.writable && disk.format === 'qcow2');
  if (first === undefined) return [];
  return first.snapshots.filter((name) => others.every((disk) => disk.snapshots.includes(name)));
}
