// The host-local verbs `integrity` and `hash`: asked of the running sentinel, done here when none runs.
import type { Clock } from '../../kit/clock.ts';
import { ok, type Result } from '../../kit/result.ts';
import type { ExecutableIdentity } from '../../introspection/identity/executable-identity.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { askDoor } from '../door/ask-door.ts';
import type { GuestSource } from '../watch/guest-source.ts';
import { readKernelFile } from '../integrity/integrity-desk.ts';
import { type IntegrityReport, openIntegrity, wholeLook } from '../integrity/integrity-look.ts';
import { findEntry, type LocalOptions, sourceOf } from './local-views.ts';
import type { RosterEntry } from '../watch/roster.ts';
import { stateDirPaths } from '../state-dir.ts';

export type { ExecutableIdentity } from '../../introspection/identity/executable-identity.ts';
export type { IntegrityReport } from '../integrity/integrity-look.ts';

/** `vmlinuz` = path of the kernel file to hold the guest's kernel against; null = what is known of it already. */
export async function integrity(
  vm: string,
  vmlinuz: string | null,
  options: LocalOptions,
): Promise<Result<IntegrityReport>> {
  const query = vmlinuz === null ? '' : `?baseline=${encodeURIComponent(vmlinuz)}`;
  const path = `/vms/${encodeURIComponent(vm)}/integrity${query}`;
  const asked = await askDoor<IntegrityReport>(stateDirPaths(options.stateDir).socket, path);
  if (asked !== null) return asked;
  return await withMonitor(vm, options, async ({ handle }, source, monitor) => {
    const file = vmlinuz === null ? ok(null) : readKernelFile(vmlinuz);
    if (!file.ok) return file;
    const target = await source.integrityTarget(handle, monitor);
    if (!target.ok) return target;
    const open = openIntegrity(target.value, file.value, options.clock);
    if (!open.ok) return open;
    const report = await wholeLook(open.value, target.value.registers);
    open.value.close();
    return ok(report);
  });
}

export async function hash(vm: string, pid: number, options: LocalOptions): Promise<Result<ExecutableIdentity>> {
  const path = `/vms/${encodeURIComponent(vm)}/hash?pid=${pid}`;
  const asked = await askDoor<ExecutableIdentity>(stateDirPaths(options.stateDir).socket, path);
  if (asked !== null) return asked;
  return await withMonitor(vm, options, async ({ handle }, source, monitor) => {
    const session = await source.attach(handle, monitor);
    if (!session.ok) return session;
    const identity = await session.value.hash(pid);
    session.value.close();
    return identity;
  });
}

async function withMonitor<T>(
  vm: string,
  options: LocalOptions & { readonly clock: Clock },
  work: (entry: RosterEntry, source: GuestSource, monitor: Monitor) => Promise<Result<T>>,
): Promise<Result<T>> {
  const source = sourceOf(options);
  const entry = findEntry(source, vm);
  if (!entry.ok) return entry;
  const monitor = await source.connect(entry.value.handle);
  if (!monitor.ok) return monitor;
  try {
    return await work(entry.value, source, monitor.value);
  } finally {
    monitor.value.close();
  }
}
