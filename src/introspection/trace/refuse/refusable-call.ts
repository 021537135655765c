// Calls through the kernel's tables of protocol functions, and how one of them is made to fail: by sending it to a function that does
// nothing but fail (watchpoints), or by returning for it (breakpoints).
import type { OptionalFieldName, OptionalSymbolName } from '../../kernel/kernel-profile.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { Refusal, StopPoint, StoppedCpu, StoppedGuest } from '../hook.ts';
import { fieldOf } from '../kernel-code.ts';
import { returnError } from './emulated-return.ts';
import { findFailingFunction } from './failing-function.ts';
import type { FailingName } from './failing-function.ts';
import { forceKill } from './forced-kill.ts';
import type { KillPlaces } from './forced-kill.ts';
import { addressAt } from './kernel-address.ts';
import { redirectCall } from './pending-call.ts';
import type { PendingCall, TableSlot } from './pending-call.ts';

const pointerBytes = 8;
/** As the failing function of the other technique says it, so that a guest sees no difference. */
const operationNotPermitted = 1;

/** The slots of one function in those tables that this kernel has. */
export function tableSlots(
  space: KernelSpace,
  tables: readonly OptionalSymbolName[],
  field: OptionalFieldName,
): readonly TableSlot[] {
  const offset = space.profile.fields[field];
  if (offset === undefined) return [];
  return tables.flatMap((table) => {
    const start = fieldOf(space, table, null);
    const slot = fieldOf(space, table, field);
    if (start === null || slot === null) return [];
    return [{ table: start.physical, offset, address: slot.address }];
  });
}

export function watchOf({ address }: TableSlot): StopPoint {
  return { on: 'data', at: address, sizeBytes: pointerBytes, access: 'any' };
}

interface Calling {
  readonly guest: StoppedGuest;
  readonly cpu: StoppedCpu;
  readonly kill: KillPlaces | null;
}

/** Killing alone would come too late: the call goes on inside the kernel until it is done. So it is made to fail as well. */
function withKill({ guest, cpu, kill }: Calling, block: () => boolean): Refusal {
  return {
    block,
    kill() {
      block();
      return kill !== null && forceKill(guest, kill, cpu.current);
    },
  };
}

export function redirectRefusal(calling: Calling, slot: TableSlot, call: PendingCall, sameKind: FailingName): Refusal {
  const { guest, cpu } = calling;
  return withKill(calling, () => {
    const usual = addressAt(guest.space, slot.table + slot.offset);
    const failing = findFailingFunction(guest.space, usual, sameKind);
    if (failing === null) return false;
    return redirectCall(guest, cpu, call, failing.at);
  });
}

export function returnRefusal(calling: Calling, errno: number = operationNotPermitted): Refusal {
  return withKill(calling, () => returnError(calling.guest, calling.cpu, errno));
}
