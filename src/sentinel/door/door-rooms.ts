// What the local door shows: the sentinel's own view of its guests, for the verbs a person runs on this host.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { DoorRooms } from './door.ts';
import type { Fleet } from '../watch/fleet.ts';
import type { SentinelHealth } from '../health.ts';
import { psView, type Sighting, socketsView } from './host-view.ts';
import type { IntegrityWatch } from '../integrity/integrity-watch.ts';
import { resolveVm } from '../watch/resolve-vm.ts';
import type { Tracings } from '../tracing/tracings.ts';
import type { VmWatch } from '../watch/vm-watch.ts';

export interface DoorParts {
  readonly fleet: Fleet;
  readonly tracings: Tracings;
  readonly integrity: IntegrityWatch;
  readonly health: () => SentinelHealth;
}

export function doorRooms({ fleet, tracings, integrity, health }: DoorParts): DoorRooms {
  const named = (reference: string): Result<VmWatch> =>
    resolveVm(fleet.all(), reference, ({ entry: { id, handle } }) => ({ id, name: handle.name, pid: handle.pid }));
  return {
    vms: () => ok(fleet.views()),
    health: () => ok(health()),
    ps: (vm, { threads }) => look(named(vm), { threads, sockets: false }, psView),
    sockets: (vm) => look(named(vm), {}, socketsView),
    trace: (vm, follower) => {
      const watch = named(vm);
      return watch.ok ? tracings.follow(watch.value, follower) : watch;
    },
    integrity: async (vm, vmlinuz) => {
      const watch = named(vm);
      return watch.ok ? await integrity.look(watch.value, vmlinuz) : watch;
    },
    hash: async (vm, pid) => {
      const watch = named(vm);
      if (!watch.ok) return watch;
      const session = await watch.value.session();
      if (session !== null) return await session.hash(pid);
      return fail(problem('unreadable', `VM ${watch.value.entry.handle.name} cannot be looked into now.`));
    },
  };
}

async function look<T>(
  watch: Result<VmWatch>,
  sweep: { threads?: boolean; sockets?: boolean },
  show: (sighting: Sighting) => T,
): Promise<Result<T>> {
  if (!watch.ok) return watch;
  const { name } = watch.value.entry.handle;
  const seen = await watch.value.look(sweep);
  if (!seen.ok) return seen;
  const { session, attachMs } = seen.value;
  return ok(show({ name, identity: session.identity, sweep: seen.value.sweep, attachMs }));
}
