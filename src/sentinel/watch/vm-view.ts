// A VM as the inventory shows it, from what its line and the last look at it say.
import { isoTime } from '../../kit/clock.ts';
import type { Vm, VmState } from '../../model/vm.ts';
import type { SweepResult } from '../../introspection/guest/guest-view.ts';
import { isPlausibleTime } from '../../sensors/introspection/program.ts';
import type { GuestLine } from './guest-line.ts';
import type { RosterEntry } from './roster.ts';

export interface ViewInput {
  readonly entry: RosterEntry;
  readonly host: string;
  readonly line: GuestLine;
  /** The last look; null before the first. */
  readonly sweep: SweepResult | null;
  /** What a reader should know although the VM runs and can be seen. */
  readonly why: string | null;
  readonly seenAt: string;
}

export function viewOf({ entry, host, line, sweep, why, seenAt }: ViewInput): Vm {
  const { handle, id } = entry;
  const { identity } = line;
  const state = stateOf(line);
  const said = state === 'unreadable' ? (line.why ?? 'attaching') : state === 'running' ? why : null;
  return {
    id,
    name: handle.name.slice(0, 256),
    host,
    hypervisor: handle.monitor.kind === 'libvirt' ? 'libvirt' : 'qemu',
    pid: handle.pid,
    state,
    ...(said === null ? {} : { why: said.slice(0, 2000) }),
    kernel: identity?.banner.slice(0, 512) ?? null,
    hostname: identity?.hostname.slice(0, 256) ?? null,
    bootedAt: identity !== null && isPlausibleTime(identity.bootedMs) ? isoTime(identity.bootedMs) : null,
    attachMs: line.attachMs === null ? null : Math.round(line.attachMs * 10) / 10,
    processes: sweep?.tasks.filter((task) => !task.kernelThread && task.pid === task.tgid).length ?? null,
    sockets: sweep?.sockets.length ?? null,
    lastSeenAt: seenAt,
  };
}

function stateOf(line: GuestLine): VmState {
  if (!line.alive()) return 'gone';
  if (line.paused) return 'paused';
  return line.session === null && !line.resting ? 'unreadable' : 'running';
}

/** What a reader should know of a VM that can be seen; null = nothing. */
export function remarksOf(watch: { isWatched: boolean; bootSeen: boolean; heldMs: number }): string | null {
  const remarks = [
    ...(watch.isWatched && !watch.bootSeen ? ['its boot was not watched: what runs only then is not known'] : []),
    ...(watch.heldMs >= 1000
      ? [`looks were put off for ${Math.round(watch.heldMs / 1000)} s in all by the processor budget`]
      : []),
  ];
  return remarks.length === 0 ? null : remarks.join('; ');
}
