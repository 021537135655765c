// Puts a libvirt domain back to an external snapshot, which libvirt 9 does not do: a fresh overlay over each disk that the snapshot holds,
// which stays as it is, and the memory from its file; or, where that cannot be had, a start of those disks without it, which is said.
// What the VM ran on until then is kept. The definition comes first, so that a VM which has ended half-way starts on the right disks.
import { problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { DomainDisk } from '../../../protocols/libvirt/domain-disks.ts';
import type { LibvirtClient, LibvirtDomain } from '../../../protocols/libvirt/libvirt-client.ts';
import { type DiskFile, withDiskFiles } from '../../../protocols/libvirt/moved-disks.ts';
import type { SnapshotTarget } from './external-snapshot.ts';
import { makeOverlay } from './fresh-overlay.ts';
import { type KeptSnapshot, readExternalSnapshot } from './kept-snapshot.ts';
import { memoryNotTaken } from './memory-taken.ts';
import { backPath, baseObjection } from './snapshot-files.ts';
import { readKeptDisks, readRunningDisks } from './vm-disks.ts';

interface Return {
  /** As the definition has it. */
  readonly kept: DomainDisk;
  readonly base: DiskFile;
  readonly overlay: string;
}

/** `key` names the overlays: the same key goes on where it broke off. */
export async function goBack(
  client: LibvirtClient,
  domain: LibvirtDomain,
  target: SnapshotTarget,
  name: string,
  key: string,
): Promise<Result<string>> {
  if (target.evidence === undefined)
    return fail(problem('refused', 'There is no directory in which memory would have been kept.'));
  const { directory } = target.evidence.room;
  const snapshot = await readExternalSnapshot(client, domain, directory, target.uuid, name);
  if (!snapshot.ok) return snapshot;
  const kept = await readKeptDisks(client, domain, true);
  if (!kept.ok) return kept;
  const returns = returnsOf(snapshot.value, kept.value.writable, key);
  if (!returns.ok) return returns;
  const there = await standsOn(client, domain, target, returns.value);
  if (there === null) return ok(`already so: ${sayDisks(returns.value)}`);
  const from = await filesBefore(target, returns.value);
  if (!from.ok) return from;
  for (const { base } of returns.value) {
    const changed = await baseObjection(base.file, snapshot.value.file);
    if (changed !== null) return fail(changed);
  }
  for (const { base, overlay } of returns.value) {
    const made = await makeOverlay(overlay, base.file, { path: base.file, format: base.format });
    if (!made.ok) return made;
  }
  const files = returns.value.map(
    ({ kept: { target: disk }, overlay }) => [disk, { file: overlay, format: 'qcow2' }] as const,
  );
  const definition = withDiskFiles(snapshot.value.definition, new Map(files));
  for (const { kept: disk, overlay } of returns.value) {
    if (disk.file === overlay) continue;
    const defined = await client.updateDevice(domain, disk.withFile(overlay, 'qcow2'), 'kept');
    if (!defined.ok) return unclear(`its definition could not be put on ${overlay}: ${sayProblem(defined.error)}`);
  }
  const started = await startAgain(client, domain, target, snapshot.value, returns.value, definition);
  return started.ok ? ok(`${started.value}; what it ran on before is kept: ${from.value.join(', ')}`) : started;
}

function returnsOf({ name, bases }: KeptSnapshot, kept: readonly DomainDisk[], key: string): Result<readonly Return[]> {
  const returns: Return[] = [];
  for (const disk of kept) {
    const base = bases.get(disk.target);
    if (base === undefined) return others(name, `it has a disk ${disk.target} that the snapshot has not`);
    const overlay = backPath(base.file, name, key);
    if (!overlay.ok) return overlay;
    returns.push({ kept: disk, base, overlay: overlay.value });
  }
  return returns.length === bases.size ? ok(returns) : others(name, `the snapshot has ${bases.size} disks`);
}

function others(name: string, why: string): Result<never> {
  return fail(problem('refused', `The VM's disks are not those of snapshot ${name}: ${why}.`));
}

/** A disk that its QEMU writes to is no snapshot's any more, whatever its time says. */
async function filesBefore(
  { socket, uuid }: SnapshotTarget,
  returns: readonly Return[],
): Promise<Result<readonly string[]>> {
  const running = await readRunningDisks(socket, uuid);
  if (!running.ok) return running;
  const files = running.value.map(({ file }) => file ?? 'no file');
  const used = returns.find(({ base }) => files.includes(base.file));
  if (used === undefined) return ok(files);
  const why = `The VM runs on ${used.base.file} itself: it is not the snapshot's disk any more.`;
  return fail(problem('refused', why, 'Go back to another.'));
}

/** Null = definition and QEMU have the fresh overlays, each over its base; otherwise a sentence on what not. */
async function standsOn(
  client: LibvirtClient,
  domain: LibvirtDomain,
  { socket, uuid }: SnapshotTarget,
  returns: readonly Return[],
): Promise<string | null> {
  const kept = await readKeptDisks(client, domain);
  if (!kept.ok) return sayProblem(kept.error);
  const running = await readRunningDisks(socket, uuid);
  if (!running.ok) return sayProblem(running.error);
  for (const { kept: disk, base, overlay } of returns) {
    if (!kept.value.writable.some(({ target, file }) => target === disk.target && file === overlay))
      return `its definition has ${disk.target} not on ${overlay}`;
    if (running.value.find(({ file }) => file === overlay)?.backing !== base.file)
      return `QEMU has ${disk.target} not on ${overlay} over ${base.file}`;
  }
  return running.value.length === returns.length ? null : `QEMU has ${running.value.length} writable disks`;
}

function sayDisks(returns: readonly Return[]): string {
  return returns.map(({ kept, base, overlay }) => `${kept.target} on ${overlay} over ${base.file}`).join('; ');
}

async function startAgain(
  client: LibvirtClient,
  domain: LibvirtDomain,
  target: SnapshotTarget,
  { memory }: KeptSnapshot,
  returns: readonly Return[],
  definition: Result<string>,
): Promise<Result<string>> {
  const ended = await client.destroy(domain);
  if (!ended.ok) return unclear(`it could not be ended: ${sayProblem(ended.error)}`);
  let cold = definition.ok ? null : sayProblem(definition.error);
  if (definition.ok) {
    const restored = await client.restore(memory, definition.value);
    if (!restored.ok) {
      cold = sayProblem(restored.error);
      const state = await client.state(domain);
      // One that did not answer may be at it yet.
      if (!state.ok || state.value !== 'shut-off') return unclear(`it has ended, and its memory: ${cold}`);
    }
  }
  if (cold !== null) {
    const begun = await client.start(domain);
    if (!begun.ok) return unclear(`it has ended and does not start: ${sayProblem(begun.error)} (memory: ${cold})`);
  }
  return await readBack(client, domain, target, returns, cold === null ? { memory } : { cold });
}

async function readBack(
  client: LibvirtClient,
  domain: LibvirtDomain,
  target: SnapshotTarget,
  returns: readonly Return[],
  how: { readonly memory: string } | { readonly cold: string },
): Promise<Result<string>> {
  const now = await client.domain(target.uuid);
  if (!now.ok) return unclear(sayProblem(now.error));
  // libvirt numbers each start anew.
  if (target.alive() || now.value.id === domain.id) return unclear('the QEMU of before still runs');
  const state = await client.state(now.value);
  if (!state.ok || (state.value !== 'running' && state.value !== 'paused'))
    return unclear(`it is ${state.ok ? state.value : sayProblem(state.error)}`);
  const other = await standsOn(client, now.value, target, returns);
  if (other !== null) return unclear(other);
  const disks = sayDisks(returns);
  if ('cold' in how)
    return ok(`in a new QEMU, started anew on the snapshot's disks and WITHOUT its memory (${how.cold}); ${disks}`);
  const lost = await memoryNotTaken(target.socket, target.uuid);
  if (lost !== null) return unclear(lost);
  return ok(`in a new QEMU, ${state.value}, with the memory of ${how.memory}; ${disks}`);
}

function unclear(why: string): Result<never> {
  return fail(
    problem('interrupted', `The VM is not seen at the snapshot it was to go back to: ${why}.`, 'Look with `virsh`.'),
  );
}
