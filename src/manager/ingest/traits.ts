// What VMs were seen to show, whether they are in a service or not.
import type { SentinelBatch } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { vmById } from '../store/vms.ts';
import { keepTraits } from '../store/vm-traits.ts';

export async function takeTraits(desk: Desk, turn: Turn, batch: SentinelBatch): Promise<void> {
  for (const { vm, traits } of batch.traits ?? []) {
    const isKnown = (await vmById(turn.db, vm)) !== null;
    desk.losses.traitsNotKept += isKnown ? await keepTraits(turn.db, vm, traits, turn.at) : traits.length;
  }
}
