// Which entries of the manifests sentinels saw used, and for how long they could have.
import type { SentinelBatch } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { memberOfVm } from '../store/applications.ts';
import { addUseWatch, keepUses } from '../store/entry-uses.ts';

export async function takeUses(desk: Desk, turn: Turn, batch: SentinelBatch): Promise<void> {
  for (const { vm, watchedSeconds, entries } of batch.uses ?? []) {
    const member = await memberOfVm(turn.db, vm);
    if (member === null) continue;
    const { scope, service } = member;
    const refused = await keepUses(turn.db, { scope, service }, vm, entries);
    desk.losses.usesNotKept += refused;
    // Time in which a use was refused is not time in which nothing was used.
    if (watchedSeconds !== undefined && refused === 0)
      await addUseWatch(turn.db, { scope, service }, vm, batch.sentAt.slice(0, 10), watchedSeconds);
  }
}
