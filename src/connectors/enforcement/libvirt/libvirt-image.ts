// Starts a libvirt domain anew on a fresh overlay over a golden image, and on its own disk again. Each part is found done or not by
// reading: the overlay beside the disk, the definition that is kept, the disk that QEMU tells of. So the same step again goes on where
// an earlier one broke off, and changes nothing where it had ended. The disk before is touched by nobody and stays as evidence.
import { lstat } from 'node:fs/promises';
import { causeOf, type Problem, problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { DomainDisk } from '../../../protocols/libvirt/domain-disks.ts';
import type { LibvirtClient, LibvirtDomain } from '../../../protocols/libvirt/libvirt-client.ts';
import type { Disk } from '../disks.ts';
import type { ImageControl } from '../verified-image.ts';
import { diskBefore, makeOverlay, overlayPath } from './fresh-overlay.ts';
import { changeOf, type GoldenImage, readGoldenImage } from './golden-image.ts';
import type { WithDomain } from './libvirt-links.ts';
import { readDefinedDisks, readRunningDisks } from './vm-disks.ts';

export interface ImageTarget {
  readonly socket: string;
  readonly uuid: string;
  /** Whether the QEMU of before still runs; asks the host. */
  readonly alive: () => boolean;
  readonly withDomain: WithDomain;
}

/** Where the VM stands before anything is done. */
interface Place {
  /** The one writable disk as the next start will have it. */
  readonly kept: DomainDisk;
  /** The one QEMU has now; null = the VM does not run. */
  readonly running: Disk | null;
}

export function libvirtImage(target: ImageTarget): ImageControl {
  const { withDomain } = target;
  return {
    obstacle: () =>
      withDomain(async (client, domain) => sameDisk(await placeOf(client, domain, target))).then(problemOf),
    undoObstacle: () =>
      withDomain(async (client, domain) => {
        const place = await placeOf(client, domain, target);
        return place.ok ? wayBack(place.value, null) : place;
      }).then(problemOf),
    replace: (image, key) => withDomain((client, domain) => replace(client, domain, target, image, key)),
    restore: (key) => withDomain((client, domain) => restore(client, domain, target, key)),
  };
}

function problemOf(result: Result<unknown>): Problem | null {
  return result.ok ? null : result.error;
}

async function placeOf(client: LibvirtClient, domain: LibvirtDomain, target: ImageTarget): Promise<Result<Place>> {
  const disks = await readDefinedDisks(client, domain, refusal);
  if (!disks.ok) return disks;
  const [kept, ...others] = disks.value.filter((disk) => disk.writable);
  if (kept === undefined || others.length > 0)
    return refusal(`its definition has ${others.length + Number(kept !== undefined)} writable disks, not one`);
  if (kept.obstacle !== null) return refusal(`of its disk ${kept.target}, ${kept.obstacle}`);
  const state = await client.state(domain);
  if (!state.ok) return state;
  if (state.value === 'shut-off') return ok({ kept, running: null });
  const running = await writableDisk(target);
  return running.ok ? ok({ kept, running: running.value }) : running;
}

function refusal(why: string, mend?: string): Result<never> {
  return fail(problem('refused', `The VM cannot be put on another disk: ${why}.`, mend));
}

/** Of the QEMU that runs now, which may be another than the one this began with. */
async function writableDisk({ socket, uuid }: ImageTarget): Promise<Result<Disk>> {
  const disks = await readRunningDisks(socket, uuid);
  if (!disks.ok) return disks;
  const [disk, ...others] = disks.value;
  if (disk !== undefined && others.length === 0) return ok(disk);
  const named = disks.value.map(({ device }) => device);
  return refusal(`QEMU has ${named.length} writable disks (${named.slice(0, 8).join(', ')}), not one`);
}

/** It runs on what it will be started on next: nothing is under way there. */
function sameDisk(place: Result<Place>): Result<Place> {
  if (!place.ok) return place;
  const { kept, running } = place.value;
  if (running === null) return refusal('it does not run');
  return running.file === kept.file
    ? place
    : refusal(`it runs on ${running.file ?? 'no file'}, and its definition has ${kept.file}`, 'Restart it first.');
}

async function replace(
  client: LibvirtClient,
  domain: LibvirtDomain,
  target: ImageTarget,
  image: string,
  key: string,
): Promise<Result<string>> {
  const place = await placeOf(client, domain, target);
  if (!place.ok) return place;
  const { kept, running } = place.value;
  const own = diskBefore(kept.file);
  if (own?.key === key) {
    if (running?.file === kept.file && running.backing === image)
      return ok(`already so: it runs on ${kept.file} over ${image}; the disk before, ${own.file}, is kept`);
    const golden = await readGoldenImage(image, own.file);
    return golden.ok ? await startFresh(client, domain, target, kept.file, own.file, golden.value) : golden;
  }
  const still = sameDisk(place);
  if (!still.ok) return still;
  const golden = await readGoldenImage(image, kept.file);
  if (!golden.ok) return golden;
  const overlay = overlayPath(kept.file, kept.format, key);
  if (!overlay.ok) return overlay;
  const made = await makeOverlay(overlay.value, kept.file, golden.value);
  if (!made.ok) return made;
  const defined = await client.updateDevice(domain, kept.withFile(overlay.value, 'qcow2'), 'kept');
  if (!defined.ok) return defined;
  return await startFresh(client, domain, target, overlay.value, kept.file, golden.value);
}

async function startFresh(
  client: LibvirtClient,
  domain: LibvirtDomain,
  target: ImageTarget,
  overlay: string,
  before: string,
  golden: GoldenImage,
): Promise<Result<string>> {
  const started = await startOn(client, domain, target, overlay);
  if (!started.ok) return started;
  const { backing } = started.value;
  if (backing !== golden.path)
    return unclear(`it runs on ${overlay} over ${backing ?? 'nothing'}, not over ${golden.path}`);
  const changed = await changeOf(golden, overlay);
  if (changed !== null) return unclear(`it runs on ${overlay}; ${changed}`);
  return ok(
    `in a new QEMU on ${overlay} over ${golden.path}, whose size and time are the same; the disk before, ${before}, is kept`,
  );
}

/** The disk to go back to; a problem when there is none of that key. */
function wayBack({ kept, running }: Place, key: string | null) {
  const own = diskBefore(kept.file);
  if (own !== null && (key === null || own.key === key)) return ok({ ...own, isDefined: false, from: kept.file });
  // The definition was put back, and the VM not yet.
  const from = running?.file ?? null;
  const left = from === null ? null : diskBefore(from);
  if (left !== null && left.file === kept.file && (key === null || left.key === key))
    return ok({ ...left, isDefined: true, from: from ?? '' });
  return refusal(`it stands on ${kept.file}, which Plumbline did not put it on`);
}

async function restore(
  client: LibvirtClient,
  domain: LibvirtDomain,
  target: ImageTarget,
  key: string | null,
): Promise<Result<string>> {
  const place = await placeOf(client, domain, target);
  if (!place.ok) return place;
  const { kept, running } = place.value;
  const back = wayBack(place.value, key);
  if (!back.ok) {
    const overlay = key === null ? null : overlayPath(kept.file, kept.format, key);
    const wasThere = overlay !== null && overlay.ok && (await isFile(overlay.value)) === null;
    return wasThere && running?.file === kept.file ? ok(`already so: it runs on ${kept.file}`) : back;
  }
  const { file, format, isDefined, from } = back.value;
  const missing = await isFile(file);
  if (missing !== null) return refusal(`the disk before, ${file}, ${missing}`);
  if (!isDefined) {
    const defined = await client.updateDevice(domain, kept.withFile(file, format), 'kept');
    if (!defined.ok) return defined;
  }
  const started = await startOn(client, domain, target, file);
  return started.ok ? ok(`in a new QEMU on ${file} again; ${from} is kept`) : started;
}

/** Null = it is a regular file. */
async function isFile(path: string): Promise<string | null> {
  try {
    return (await lstat(path)).isFile() ? null : 'is no regular file';
  } catch (thrown) {
    return `cannot be read: ${causeOf(thrown)}`;
  }
}

/** Ends the VM and starts it by its definition; the disk that the new QEMU then tells of. */
async function startOn(
  client: LibvirtClient,
  domain: LibvirtDomain,
  target: ImageTarget,
  file: string,
): Promise<Result<Disk>> {
  const runs = await client.state(domain);
  if (!runs.ok) return unclear(sayProblem(runs.error));
  if (runs.value !== 'shut-off') {
    const ended = await client.destroy(domain);
    if (!ended.ok) return unclear(`its definition has ${file}, and it could not be ended: ${sayProblem(ended.error)}`);
  }
  const begun = await client.start(domain);
  if (!begun.ok) return unclear(`it has ended and does not start on ${file}: ${sayProblem(begun.error)}`);
  const now = await client.domain(target.uuid);
  if (!now.ok) return unclear(sayProblem(now.error));
  // libvirt numbers each start anew.
  if (target.alive() || now.value.id === domain.id) return unclear('the QEMU of before still runs');
  const disk = await writableDisk(target);
  if (!disk.ok) return unclear(`it was started on ${file}, and that cannot be read: ${sayProblem(disk.error)}`);
  return disk.value.file === file ? disk : unclear(`it runs on ${disk.value.file ?? 'no file'}, not on ${file}`);
}

function unclear(why: string): Result<never> {
  return fail(
    problem('interrupted', `The VM is not seen on the disk it was to be on: ${why}.`, 'Look at it with `virsh`.'),
  );
}
