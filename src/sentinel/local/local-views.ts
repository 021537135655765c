// The host-local verbs: what runs on this host and in one of its VMs. They ask the running sentinel, and look by themselves
// when there is none; the answers are the same.
import { hostname } from 'node:os';
import { isoTime, type Clock } from '../../kit/clock.ts';
import { sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Vm } from '../../model/vm.ts';
import type { SweepOptions } from '../../introspection/guest/guest-view.ts';
import type { GuestHandle } from '../../introspection/hypervisor/guest-handle.ts';
import { askDoor } from '../door/ask-door.ts';
import type { GuestSource } from '../watch/guest-source.ts';
import { type PsView, psView, type Sighting, type SocketsView, socketsView } from '../door/host-view.ts';
import { qemuSource } from '../watch/qemu-source.ts';
import { resolveVm } from '../watch/resolve-vm.ts';
import { assignIdentities, type RosterEntry } from '../watch/roster.ts';
import { openStateDir, stateDirPaths } from '../state-dir.ts';
import { GuestLine } from '../watch/guest-line.ts';
import { viewOf } from '../watch/vm-view.ts';

export type { PsTask, PsView, ShownSocket, SocketsView } from '../door/host-view.ts';

export interface LocalOptions {
  /** The sentinel's state directory: its door is asked first, its kernel profiles are used. */
  readonly stateDir: string;
  readonly clock: Clock;
}

export async function listVms(options: LocalOptions): Promise<Result<readonly Vm[]>> {
  const asked = await askDoor<readonly Vm[]>(stateDirPaths(options.stateDir).socket, '/vms');
  if (asked !== null) return asked;
  const source = sourceOf(options);
  const entries = rosterOf(source);
  if (!entries.ok) return entries;
  const vms: Vm[] = [];
  // One after the other: each attach keeps a processor busy anyway.
  for (const entry of entries.value) vms.push(await inspect(entry, source, options.clock));
  return ok(vms);
}

/** Names alone, for somebody who is typing one: nothing is attached, nobody is asked. */
export function vmNames(options: LocalOptions): Result<readonly string[]> {
  const entries = rosterOf(sourceOf(options));
  return entries.ok ? ok(entries.value.map(({ handle }) => handle.name)) : entries;
}

export async function ps(vm: string, options: LocalOptions & { readonly threads?: boolean }): Promise<Result<PsView>> {
  const threads = options.threads ?? false;
  const path = `/vms/${encodeURIComponent(vm)}/ps${threads ? '?threads=1' : ''}`;
  const asked = await askDoor<PsView>(stateDirPaths(options.stateDir).socket, path);
  if (asked !== null) return asked;
  const sighting = await lookInto(vm, options, { threads, sockets: false });
  return sighting.ok ? ok(psView(sighting.value)) : sighting;
}

export async function sockets(vm: string, options: LocalOptions): Promise<Result<SocketsView>> {
  const path = `/vms/${encodeURIComponent(vm)}/sockets`;
  const asked = await askDoor<SocketsView>(stateDirPaths(options.stateDir).socket, path);
  if (asked !== null) return asked;
  const sighting = await lookInto(vm, options, {});
  return sighting.ok ? ok(socketsView(sighting.value)) : sighting;
}

export function sourceOf({ stateDir, clock }: LocalOptions): GuestSource {
  // Without a place for profiles each kernel is learned anew, which costs time and nothing else.
  const dir = openStateDir(stateDir);
  const { stubs } = stateDirPaths(stateDir);
  return qemuSource({ clock, profileDirectory: dir.ok ? dir.value.profiles : null, stubDirectory: stubs });
}

function rosterOf(source: GuestSource): Result<readonly RosterEntry[]> {
  const handles = source.find();
  return handles.ok ? ok(assignIdentities(handles.value, new Map()).entries) : handles;
}

export function findEntry(source: GuestSource, vm: string): Result<RosterEntry> {
  const entries = rosterOf(source);
  if (!entries.ok) return entries;
  return resolveVm(entries.value, vm, ({ id, handle }) => ({ id, name: handle.name, pid: handle.pid }));
}

async function lookInto(vm: string, options: LocalOptions, sweep: SweepOptions): Promise<Result<Sighting>> {
  const source = sourceOf(options);
  const entry = findEntry(source, vm);
  if (!entry.ok) return entry;
  return look(entry.value.handle, source, options.clock, sweep);
}

async function look(
  handle: GuestHandle,
  source: GuestSource,
  clock: Clock,
  options: SweepOptions,
): Promise<Result<Sighting>> {
  const beganMs = clock.monotonic();
  const monitor = await source.connect(handle);
  if (!monitor.ok) return fail(monitor.error);
  try {
    const session = await source.attach(handle, monitor.value);
    if (!session.ok) return session;
    const attachMs = clock.monotonic() - beganMs;
    const swept = session.value.sweep(options);
    session.value.close();
    if (!swept.ok) return swept;
    return ok({ name: handle.name, identity: session.value.identity, sweep: swept.value, attachMs });
  } finally {
    monitor.value.close();
  }
}

async function inspect(entry: RosterEntry, source: GuestSource, clock: Clock): Promise<Vm> {
  const line = new GuestLine(entry.handle, source, clock, () => undefined);
  const session = await line.bring();
  const swept = session?.sweep();
  const sweep = swept?.ok === true ? swept.value : null;
  const why = swept?.ok === false ? sayProblem(swept.error) : null;
  const vm = viewOf({ entry, host: hostname(), line, sweep, why, seenAt: isoTime(clock.now()) });
  line.close();
  return vm;
}
