// A virtual machine as the inventory shows it, whether anybody watches it or not.
import { Type, type Static } from 'typebox';
import { IsoTime, VmId } from './name.ts';

/** unreadable = it runs, but its memory cannot be understood; `why` says so. gone = no process has it now. */
export const VmState = Type.Enum(['running', 'paused', 'unreadable', 'gone']);
export type VmState = Static<typeof VmState>;

export const Vm = Type.Object({
  id: VmId,
  name: Type.String({ maxLength: 256 }),
  host: Type.String({ maxLength: 256 }),
  hypervisor: Type.Enum(['qemu', 'libvirt']),
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
});
export type Vm = Static<typeof Vm>;
