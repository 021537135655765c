// The VMs of a host as its sentinel sees them. Who is not listed any more is gone, and stays known as such.
import { ok, type Result } from '../../kit/result.ts';
import type { Vm } from '../../model/vm.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { greet } from '../intent/membership.ts';
import { forgetVm, reporterOfVm, saveVm, vmById, vmsOfSentinel } from '../store/vms.ts';

export async function takeInventory(desk: Desk, turn: Turn, batch: SentinelBatch): Promise<Result<null>> {
  if (batch.vms === undefined) return ok(null);
  for (const vm of batch.vms) {
    if (await isElsewhere(turn, batch.sentinel, vm)) continue;
    await saveVm(turn.db, batch.sentinel, vm);
    const greeted = await greet(desk.seals, turn, vm);
    if (!greeted.ok) return greeted;
  }
  const listed = new Set(batch.vms.map((vm) => vm.id));
  for (const vm of await vmsOfSentinel(turn.db, batch.sentinel))
    if (listed.has(vm.id)) continue;
    // The name of a second claimant ends with its process; nobody will ever ask for it again.
    else if (vm.id.includes('#')) await forgetVm(turn.db, vm.id);
    else if (vm.state !== 'gone')
      await saveVm(turn.db, batch.sentinel, { ...vm, state: 'gone', pid: null, processes: null, sockets: null });
  turn.announce({ kind: 'inventory' });
  return ok(null);
}

/** A host that says a VM is gone does not take it from the host on which it runs now (migration reports in any order). */
async function isElsewhere(turn: Turn, sentinel: string, vm: Vm): Promise<boolean> {
  if (vm.state !== 'gone') return false;
  const owner = await reporterOfVm(turn.db, vm.id);
  if (owner === null || owner === sentinel) return false;
  return (await vmById(turn.db, vm.id))?.state !== 'gone';
}
