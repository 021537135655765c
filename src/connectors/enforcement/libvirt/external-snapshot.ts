// A snapshot of a libvirt domain whose disks can hold none: libvirt writes the memory into the evidence directory, and each disk goes on
// in an overlay beside it, so that what it had is written to no more. The VM stands meanwhile: memory is written once, in bounded room
// and time. The overlays are made here, since libvirt would follow a link that QEMU's user planted under their names.
import { rm } from 'node:fs/promises';
import { problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { externalSnapshotXml } from '../../../protocols/libvirt/domain-snapshots.ts';
import type { LibvirtClient, LibvirtDomain } from '../../../protocols/libvirt/libvirt-client.ts';
import type { Monitor } from '../../../protocols/qmp/monitor.ts';
import type { MemoryDumpOptions } from '../memory-dump.ts';
import { memorySize } from '../read-vm-state.ts';
import type { ExternalSnapshotControl } from '../verified-snapshot.ts';
import { runBounded } from './bounded-job.ts';
import { makeOverlay } from './fresh-overlay.ts';
import { readExternalSnapshot } from './kept-snapshot.ts';
import type { WithDomain } from './libvirt-links.ts';
import { memoryName, memoryPath, roomObjection, sincePath } from './snapshot-files.ts';
import { pairDisks, readKeptDisks, readRunningDisks, type VmDisk } from './vm-disks.ts';

export interface SnapshotTarget {
  readonly socket: string;
  readonly uuid: string;
  readonly monitor: Monitor;
  /** Whether the QEMU of before still runs; asks the host. */
  readonly alive: () => boolean;
  /** Where memory is kept; absent = nowhere. */
  readonly evidence?: MemoryDumpOptions;
  readonly withDomain: WithDomain;
}

/** What has to be true before anything is done. */
interface Ground {
  readonly evidence: MemoryDumpOptions;
  readonly disks: readonly VmDisk[];
  readonly others: readonly string[];
}

interface Move extends VmDisk {
  readonly overlay: string;
  readonly virtualBytes: number;
}

/** So many are looked at; a VM with more has somebody who keeps them. */
const namesMax = 64;

export function libvirtSnapshots(target: SnapshotTarget): ExternalSnapshotControl {
  const { withDomain } = target;
  return {
    async obstacle() {
      const ground = await withDomain((client, domain) => groundOf(client, domain, target));
      return ground.ok ? null : ground.error;
    },
    make: (name) => withDomain((client, domain) => make(client, domain, target, name)),
    async names() {
      const read = await withDomain((client, domain) => namesOf(client, domain, target));
      return read.ok ? read.value : [];
    },
  };
}

async function groundOf(
  client: LibvirtClient,
  domain: LibvirtDomain,
  { socket, uuid, evidence }: SnapshotTarget,
): Promise<Result<Ground>> {
  if (evidence === undefined) return refusal('there is no directory to keep memory in');
  if (process.geteuid?.() !== 0) return refusal('its files are libvirt’s and take root', 'Run the sentinel as root.');
  const kept = await readKeptDisks(client, domain);
  if (!kept.ok) return kept;
  const running = await readRunningDisks(socket, uuid);
  if (!running.ok) return running;
  const disks = pairDisks(kept.value.writable, running.value);
  return disks.ok ? ok({ evidence, disks: disks.value, others: kept.value.others }) : disks;
}

function refusal(why: string, mend?: string): Result<never> {
  return fail(problem('refused', `An external snapshot cannot be made: ${why}.`, mend));
}

async function namesOf(
  client: LibvirtClient,
  domain: LibvirtDomain,
  { uuid, evidence }: SnapshotTarget,
): Promise<Result<readonly string[]>> {
  if (evidence === undefined) return ok([]);
  const names = await client.externalSnapshots(domain);
  if (!names.ok) return names;
  const whole: string[] = [];
  for (const name of names.value.slice(-namesMax)) {
    const read = await readExternalSnapshot(client, domain, evidence.room.directory, uuid, name);
    if (read.ok) whole.push(name);
  }
  return ok(whole);
}

async function make(
  client: LibvirtClient,
  domain: LibvirtDomain,
  target: SnapshotTarget,
  name: string,
): Promise<Result<string>> {
  const ground = await groundOf(client, domain, target);
  if (!ground.ok) return ground;
  const { room } = ground.value.evidence;
  const known = await client.externalSnapshots(domain);
  if (!known.ok) return known;
  if (known.value.includes(name)) return refusal(`libvirt has one called ${name}, whose files are not all there`);
  const moves = movesOf(ground.value.disks, name);
  if (!moves.ok) return moves;
  for (const { kept, virtualBytes } of moves.value) {
    const full = await roomObjection(kept.file, virtualBytes);
    if (full !== null) return fail(full);
  }
  const [ram, taken] = [await memorySize(target.monitor), memoryName(target.uuid, name)];
  if (!ram.ok) return ram;
  if (!taken.ok) return taken;
  const leave = room.take(taken.value, ram.value);
  if (!leave.ok) return leave;
  try {
    return await makeWithin(client, domain, target, name, { ...ground.value, moves: moves.value, ramBytes: ram.value });
  } finally {
    leave.value();
  }
}

function movesOf(disks: readonly VmDisk[], name: string): Result<readonly Move[]> {
  const moves: Move[] = [];
  for (const disk of disks) {
    const overlay = sincePath(disk.kept.file, name);
    if (!overlay.ok) return overlay;
    const { virtualBytes } = disk.running;
    if (virtualBytes === null) return refusal(`QEMU does not say how large its disk ${disk.kept.target} is`);
    moves.push({ ...disk, overlay: overlay.value, virtualBytes });
  }
  return ok(moves);
}

async function makeWithin(
  client: LibvirtClient,
  domain: LibvirtDomain,
  target: SnapshotTarget,
  name: string,
  { evidence, others, moves, ramBytes }: Ground & { readonly moves: readonly Move[]; readonly ramBytes: number },
): Promise<Result<string>> {
  const memory = memoryPath(evidence.room.directory, target.uuid, name);
  if (!memory.ok) return memory;
  const before = await client.state(domain);
  if (!before.ok) return before;
  for (const [index, { kept, overlay, virtualBytes }] of moves.entries()) {
    const made = await makeOverlay(overlay, kept.file, { path: kept.file, format: kept.format, virtualBytes });
    if (made.ok) continue;
    await remove(moves.slice(0, index).map((move) => move.overlay));
    return made;
  }
  const disks = [
    ...moves.map(({ kept, overlay }) => ({ target: kept.target, overlay })),
    ...others.map((other) => ({ target: other, overlay: null })),
  ];
  const xml = externalSnapshotXml({ name, memory: memory.value, disks });
  const told = await runBounded(client, domain, ramBytes, evidence, (timeoutMs) =>
    client.createExternalSnapshot(domain, xml, timeoutMs),
  );
  // libvirt names the files below in the definition, so that a disk could not be put into another file and back again. It finds them.
  if (told.ok)
    for (const { kept, overlay } of moves) await client.updateDevice(domain, kept.withFile(overlay, 'qcow2'), 'kept');
  const seen = await readBack(client, domain, target, name, moves, evidence.room.directory, before.value);
  if (seen.ok) return seen;
  const why = told.ok ? sayProblem(seen.error) : `${sayProblem(told.error)} ${sayProblem(seen.error)}`;
  if (told.ok || !(await isAsBefore(client, domain, target, name, moves)))
    return fail(problem('interrupted', `The snapshot ${name} is not seen to be whole: ${why}`, 'Look with `virsh`.'));
  await remove([...moves.map((move) => move.overlay), memory.value]);
  return fail(problem('failed', `The snapshot ${name} was not made: ${told.error.message}`, told.error.mend));
}

/** What libvirt keeps, what QEMU has, and what lies on the disk: all of it, or a problem that says what not. */
async function readBack(
  client: LibvirtClient,
  domain: LibvirtDomain,
  { socket, uuid }: SnapshotTarget,
  name: string,
  moves: readonly Move[],
  directory: string,
  before: string,
): Promise<Result<string>> {
  const snapshot = await readExternalSnapshot(client, domain, directory, uuid, name);
  if (!snapshot.ok) return snapshot;
  const kept = await readKeptDisks(client, domain);
  if (!kept.ok) return kept;
  const running = await readRunningDisks(socket, uuid);
  if (!running.ok) return running;
  for (const { kept: disk, overlay } of moves) {
    const now = running.value.find(({ file }) => file === overlay);
    if (now?.backing !== disk.file) return notSo(`QEMU has ${disk.target} not on ${overlay} over ${disk.file}`);
    if (!kept.value.writable.some(({ target, file }) => target === disk.target && file === overlay))
      return notSo(`the definition has ${disk.target} not on ${overlay}`);
    if (snapshot.value.bases.get(disk.target)?.file !== disk.file)
      return notSo(`libvirt says of ${name} that ${disk.target} was not ${disk.file}`);
  }
  const state = await client.state(domain);
  if (!state.ok || state.value !== before)
    return notSo(`the VM is ${state.ok ? state.value : sayProblem(state.error)}, and was ${before}`);
  const { memory, file } = snapshot.value;
  const disks = moves.map(
    ({ kept: { target, file: base }, overlay }) => `${target} goes on in ${overlay} over ${base}`,
  );
  return ok(
    `external snapshot ${name}: its memory is ${memory}, ${file.sizeBytes} bytes; ${disks.join('; ')}; the VM is ${before} as before`,
  );
}

function notSo(why: string): Result<never> {
  return fail(problem('failed', `${why}.`));
}

/** Nothing has happened: no snapshot of the name, and every disk where it was. */
async function isAsBefore(
  client: LibvirtClient,
  domain: LibvirtDomain,
  { socket, uuid }: SnapshotTarget,
  name: string,
  moves: readonly Move[],
): Promise<boolean> {
  const known = await client.externalSnapshots(domain);
  const kept = await readKeptDisks(client, domain);
  const running = await readRunningDisks(socket, uuid);
  if (!known.ok || !kept.ok || !running.ok || known.value.includes(name)) return false;
  const files = [...kept.value.writable.map(({ file }) => file), ...running.value.map(({ file }) => file)];
  return !moves.some(({ overlay }) => files.includes(overlay));
}

async function remove(files: readonly string[]): Promise<void> {
  for (const file of files) await rm(file, { force: true }).catch(() => undefined);
}
