// A virtual machine as the inventory shows it, whether anybody watches it or not.
import { Type, type Static } from 'typebox';
import { IsoTime, Name, VmId } from './name.ts';
import { platformKindNames } from './platform.ts';

/**
 * unreadable = it runs, but its memory cannot be understood; `why` says so. off = it exists on its platform and does not run.
 * gone = no process has it now.
 */
export const VmState = Type.Enum(['running', 'paused', 'unreadable', 'off', 'gone']);
export type VmState = Static<typeof VmState>;

/** An attempt that is kept waiting, with the whole VM, until a person decides. */
export const HeldAttempt = Type.Object({
  what: Type.String({ maxLength: 1000, description: 'one line: what is being attempted' }),
  /** Alarm group of the finding. */
  group: Type.String({ maxLength: 64 }),
  since: IsoTime,
  /** Then it is refused. */
  until: IsoTime,
});
export type HeldAttempt = Static<typeof HeldAttempt>;

/** How the VM is seen now. `tracing` without a reason = complete since `since`. */
export const TraceState = Type.Object({
  state: Type.Enum(['tracing', 'starting', 'lost']),
  since: IsoTime,
  why: Type.Optional(Type.String({ maxLength: 2000 })),
});
export type TraceState = Static<typeof TraceState>;

export const Vm = Type.Object({
  id: VmId,
  name: Type.String({ maxLength: 256 }),
  host: Type.String({ maxLength: 256 }),
  /** What runs it; of a VM that no sentinel sees, the kind of platform that told of it. */
  hypervisor: Type.Enum(['qemu', 'libvirt', ...platformKindNames]),
  /** The remote platform that told of it. Present = no sentinel sees it, and nothing inside it is watched. */
  platform: Type.Optional(Name),
  pid: Type.Union([Type.Integer(), Type.Null()], { description: 'pid of the QEMU process on its host' }),
  state: VmState,
  why: Type.Optional(Type.String({ maxLength: 2000 })),
  kernel: Type.Union([Type.String({ maxLength: 512 }), Type.Null()]),
  hostname: Type.Union([Type.String({ maxLength: 256 }), Type.Null()]),
  bootedAt: Type.Union([IsoTime, Type.Null()]),
  attachMs: Type.Union([Type.Number(), Type.Null()]),
  processes: Type.Union([Type.Integer(), Type.Null()]),
  sockets: Type.Union([Type.Integer(), Type.Null()]),
  lastSeenAt: IsoTime,
  /** Absent = nobody asked for a trace; it is watched by sweeps. */
  trace: Type.Optional(TraceState),
  held: Type.Optional(HeldAttempt),
});
export type Vm = Static<typeof Vm>;
