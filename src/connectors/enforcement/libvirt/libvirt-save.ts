// Managed save of a libvirt domain: libvirt writes its memory, ends it, and starts it from there the next time, also after the host was
// started anew. libvirt itself is the memory of it, so that whoever asks later, and for a domain that does not run, needs no other.
import { statfs } from 'node:fs/promises';
import { problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { LibvirtClient, LibvirtDomain } from '../../../protocols/libvirt/libvirt-client.ts';
import type { Monitor } from '../../../protocols/qmp/monitor.ts';
import type { MemoryDumpOptions } from '../memory-dump.ts';
import { memorySize } from '../read-vm-state.ts';
import type { SaveControl } from '../verified-save.ts';
import { runBounded } from './bounded-job.ts';
import type { WithDomain } from './libvirt-links.ts';
import { memoryNotTaken } from './memory-taken.ts';

export interface SaveTarget {
  readonly socket: string;
  readonly uuid: string;
  /** Of the QEMU that runs; null = none does. */
  readonly monitor: Monitor | null;
  /** Whether the QEMU of before still runs; asks the host. */
  readonly alive: () => boolean;
  readonly evidence?: Pick<MemoryDumpOptions, 'pace' | 'cancelled'>;
  readonly withDomain: WithDomain;
}

/** Where libvirt keeps managed saves (src/qemu/qemu_conf.c), and what must be left free there. */
const saveDirectory = '/var/lib/libvirt/qemu/save';
const freeBytesMin = 2 ** 30;

export function libvirtSave(target: SaveTarget): SaveControl {
  const { withDomain } = target;
  return {
    async obstacle() {
      const able = await withDomain((client, domain) => canSave(client, domain, target));
      return able.ok ? null : able.error;
    },
    async undoObstacle() {
      const able = await withDomain((client, domain) => canStart(client, domain));
      return able.ok ? null : able.error;
    },
    save: () => withDomain((client, domain) => save(client, domain, target)),
    start: () => withDomain((client, domain) => start(client, domain, target)),
  };
}

/** How much memory it has. */
async function canSave(client: LibvirtClient, domain: LibvirtDomain, { monitor }: SaveTarget): Promise<Result<number>> {
  const persistent = await client.isPersistent(domain);
  if (!persistent.ok) return persistent;
  if (!persistent.value) return refusal('cannot be saved: libvirt forgets the domain when it stops', 'Define it.');
  if (monitor === null) return refusal('cannot be saved: it does not run');
  const ram = await memorySize(monitor);
  if (!ram.ok) return ram;
  // Where there is no such directory libvirt has another, and lets the domain run on when that is full.
  const disk = await statfs(saveDirectory).catch(() => null);
  const freeBytes = disk === null ? Number.POSITIVE_INFINITY : disk.bavail * disk.bsize;
  if (freeBytes - ram.value >= freeBytesMin) return ok(ram.value);
  const why = `cannot be saved: ${ram.value} bytes would leave less than ${freeBytesMin} of ${freeBytes} free in ${saveDirectory}`;
  return refusal(why, 'Make room there, then order it again.');
}

function refusal(why: string, mend?: string): Result<never> {
  return fail(problem('refused', `The VM ${why}.`, mend));
}

async function canStart(client: LibvirtClient, domain: LibvirtDomain): Promise<Result<void>> {
  const now = await readBoth(client, domain);
  if (!now.ok) return now;
  const { state, isSaved } = now.value;
  if (state !== 'shut-off') return refusal(`is ${state}: there is nothing to start it from`);
  return isSaved
    ? ok(undefined)
    : refusal('was not saved: it would start without its memory', 'Start it with `virsh`.');
}

async function readBoth(client: LibvirtClient, domain: LibvirtDomain) {
  const state = await client.state(domain);
  if (!state.ok) return state;
  const isSaved = await client.hasManagedSave(domain);
  return isSaved.ok ? ok({ state: state.value, isSaved: isSaved.value }) : isSaved;
}

async function save(client: LibvirtClient, domain: LibvirtDomain, target: SaveTarget): Promise<Result<string>> {
  const before = await readBoth(client, domain);
  if (!before.ok) return before;
  const { state } = before.value;
  if (state === 'shut-off')
    return before.value.isSaved
      ? ok('already so: it is off, and libvirt has its memory')
      : refusal('cannot be saved: it does not run');
  const ram = await canSave(client, domain, target);
  if (!ram.ok) return ram;
  const told = await runBounded(client, domain, ram.value, target.evidence ?? {}, (timeoutMs) =>
    client.managedSave(domain, timeoutMs),
  );
  const after = await readBoth(client, domain);
  if (after.ok && after.value.state === 'shut-off' && after.value.isSaved && !target.alive())
    return ok(`off, no process of it runs, and libvirt has its memory (managed save); it was ${state}, and will be`);
  if (!told.ok && after.ok && after.value.state === state && !after.value.isSaved)
    return fail(
      problem('failed', `The VM was not saved and is ${state} as before: ${told.error.message}`, told.error.mend),
    );
  const now = after.ok ? `${after.value.state}, ${after.value.isSaved ? '' : 'not '}saved` : sayProblem(after.error);
  return unclear(`to be off and saved: it is ${now}${told.ok ? '' : `; ${told.error.message}`}`);
}

async function start(client: LibvirtClient, domain: LibvirtDomain, target: SaveTarget): Promise<Result<string>> {
  const before = await client.state(domain);
  if (!before.ok) return before;
  if (before.value === 'running' || before.value === 'paused') return ok(`already so: it is ${before.value}`);
  const able = await canStart(client, domain);
  if (!able.ok) return able;
  const told = await client.start(domain);
  const after = await readBoth(client, domain);
  if (!after.ok) return unclear(`running: ${sayProblem(after.error)}`);
  const { state, isSaved } = after.value;
  if (!told.ok && state === 'shut-off' && isSaved)
    return fail(problem('failed', `The VM does not start and is saved still: ${told.error.message}`, told.error.mend));
  if (state !== 'running' && state !== 'paused') return unclear(`running: it is ${state}`);
  const lost = await memoryNotTaken(target.socket, target.uuid);
  return lost === null ? ok(`${state}, in a new QEMU that took its memory in`) : unclear(`with its memory: ${lost}`);
}

function unclear(why: string): Result<never> {
  return fail(problem('interrupted', `The VM is not seen ${why}.`, 'Look with `virsh`.'));
}
