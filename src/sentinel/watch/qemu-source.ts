// Guests of real QEMU on this host, by way of introspection and the enforcers.
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../../kit/clock.ts';
import { libvirtEnforcer } from '../../connectors/enforcement/libvirt/libvirt-enforcer.ts';
import { savedDomain } from '../../connectors/enforcement/libvirt/saved-domain.ts';
import { qemuEnforcer } from '../../connectors/enforcement/qemu/qemu-enforcer.ts';
import type { MemoryDumpOptions } from '../../connectors/enforcement/memory-dump.ts';
import { openMonitor } from '../../introspection/hypervisor/open-monitor.ts';
import { defaultLibvirtSocket, processStart } from '../../introspection/hypervisor/process-scan.ts';
import { prepareTarget } from '../../introspection/trace/trace-target.ts';
import { attach, findGuests } from '../../introspection/introspection.ts';
import type { GuestSource } from './guest-source.ts';
import { traceGround } from '../tracing/trace-ground.ts';

export interface QemuSourceOptions {
  readonly clock: Clock;
  /** Where kernel profiles are kept; null = learn each kernel anew. */
  readonly profileDirectory: string | null;
  /** Where the gdb stubs of traced guests listen. */
  readonly stubDirectory: string;
  /** Where the memory of guests is kept when that is ordered; absent = nowhere. */
  readonly evidence?: MemoryDumpOptions;
  /** Where libvirt listens; absent = where it does by default. */
  readonly libvirtSocket?: string;
}

const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function qemuSource({
  clock,
  profileDirectory,
  stubDirectory,
  evidence,
  libvirtSocket,
}: QemuSourceOptions): GuestSource {
  const alive: GuestSource['alive'] = (handle) => processStart(handle.pid) === handle.startTicks;
  const patience = { clock, sleep: (ms: number) => wait(ms) };
  return {
    find: () => findGuests(libvirtSocket === undefined ? {} : { libvirtSocket }),
    alive,
    connect: (handle) => openMonitor(handle),
    attach: (handle, monitor) => attach(handle, { clock, profileDirectory, monitor }),
    integrityTarget: (handle, monitor) => prepareTarget(handle, monitor, { profileDirectory, socketPath: '' }),
    traceGround: (handle, monitor) =>
      traceGround(handle, monitor, { profiles: profileDirectory, stubs: stubDirectory }),
    // A VM of libvirt's is known by the UUID that libvirt knows it by.
    kept: async (vm) => (uuidForm.test(vm) ? await savedDomain(libvirtSocket ?? defaultLibvirtSocket(), vm) : null),
    enforcer: (handle, monitor) => {
      const { pid } = handle;
      const target = {
        monitor,
        alive: () => alive(handle),
        patience,
        pid,
        ...(evidence === undefined ? {} : { evidence }),
      };
      const { monitor: address } = handle;
      if (address.kind !== 'libvirt') return qemuEnforcer(target);
      return libvirtEnforcer({ ...target, socket: address.socket, uuid: address.uuid });
    },
  };
}
