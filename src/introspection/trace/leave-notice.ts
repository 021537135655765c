// What a tracer has to leave its guest for, as its monitor tells: it would be in the hypervisor's way, or no longer sees everything.
import { ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { watchMigration } from './outgoing-migration.ts';
import { watchHardware } from './plugged-hardware.ts';

export interface LeaveNotice {
  readonly why: string;
  /** For how long things may have gone by unseen already, in milliseconds. */
  readonly blindMs: number;
}

export interface LeaveWatch {
  /** Settles once, when the tracer has to leave in order; another may begin as soon as a new watch can be had. */
  readonly notice: Promise<LeaveNotice>;
  close(): void;
}

/** Problem `refused`: the guest is being migrated, and nobody may connect to its stub. */
export async function watchForLeaving(monitor: Monitor): Promise<Result<LeaveWatch>> {
  const migration = await watchMigration(monitor);
  if (!migration.ok) return migration;
  const hardware = await watchHardware(monitor);
  if (!hardware.ok) {
    migration.value.close();
    return hardware;
  }
  const notice = Promise.race([
    migration.value.begun.then(() => ({ why: 'the VM is being migrated', blindMs: 0 })),
    hardware.value.changed.then((blindMs) => ({ why: 'a processor or memory was plugged in or out', blindMs })),
    // Of none of these anything would be heard any more.
    monitor.closed.then(() => ({ why: 'its monitor was lost', blindMs: 0 })),
  ]);
  const close = (): void => {
    migration.value.close();
    hardware.value.close();
  };
  return ok({ notice, close });
}
