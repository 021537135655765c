// Takes the sentinels' batches. A batch is acknowledged when all of it is committed, and counts once however often it comes.
import { createHash } from 'node:crypto';
import { Compile } from 'typebox/compile';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { ManagerEnd } from '../../wire/link.ts';
import { SentinelBatch, type BatchAck } from '../../wire/messages.ts';
import { change, type Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { countBatch, isStored, rememberBatch } from '../store/batches.ts';
import { takeChanges } from './changes.ts';
import { takeEvidence } from './evidence.ts';
import { takeFindings } from './findings.ts';
import { takeGuardEvents } from './guard-events.ts';
import { takeInventory } from './inventory.ts';
import { takeCoverage, takeObserved } from './observed.ts';
import { takeRemediations } from './reported-remediations.ts';
import { takeTraits } from './traits.ts';
import { takeUses } from './uses.ts';

/** So many batches may wait for their commit; more are refused and stay in their sentinels' spools. */
const waitingMax = 64;

const shape = Compile(SentinelBatch);

export function makeIngest(desk: Desk): ManagerEnd {
  let waiting = 0;
  return {
    async deliver(batch) {
      if (waiting >= waitingMax) {
        desk.losses.batchesRefused += 1;
        return fail(problem('interrupted', `${waitingMax} batches are waiting to be stored.`, 'Send it again later.'));
      }
      waiting += 1;
      try {
        return await take(desk, batch);
      } finally {
        waiting -= 1;
      }
    },
  };
}

async function take(desk: Desk, batch: SentinelBatch): Promise<Result<BatchAck>> {
  if (!shape.Check(batch)) {
    desk.losses.batchesRefused += 1;
    const [first] = shape.Errors(batch);
    const where = first === undefined ? '' : ` (${first.instancePath}: ${first.message})`;
    return fail(
      problem('unreadable', `A batch of a sentinel is not one${where}.`, 'Run the same version on both sides.'),
    );
  }
  const digest = digestOf(batch);
  const act = { by: `sentinel ${batch.sentinel}`, verb: 'batch.store', subject: batch.sentinel };
  const stored = await change(desk, { ...act, silent: true }, async (turn) => {
    const repeated = await isStored(turn.db, batch.sentinel, batch.seq, digest);
    await countBatch(turn.db, batch.sentinel, turn.at, repeated);
    if (repeated) return ok(null);
    const taken = await takeParts(desk, turn, batch);
    if (!taken.ok) return taken;
    await rememberBatch(turn.db, batch.sentinel, batch.seq, digest);
    return ok(null);
  });
  if (stored.ok) return ok({ seq: batch.seq });
  desk.losses.batchesRefused += 1;
  desk.log.warn('a batch could not be stored', {
    sentinel: batch.sentinel,
    seq: batch.seq,
    cause: stored.error.message,
  });
  return stored;
}

/** Inventory first: what the rest speaks of must be known. */
async function takeParts(desk: Desk, turn: Turn, batch: SentinelBatch): Promise<Result<null>> {
  const inventory = await takeInventory(desk, turn, batch);
  if (!inventory.ok) return inventory;
  await takeObserved(desk, turn, batch);
  await takeCoverage(turn, batch);
  await takeChanges(desk, turn, batch);
  await takeFindings(desk, turn, batch);
  await takeGuardEvents(desk, turn, batch);
  await takeRemediations(desk, turn, batch);
  await takeEvidence(turn, batch);
  await takeUses(desk, turn, batch);
  await takeTraits(desk, turn, batch);
  return ok(null);
}

/** The time of sending is no content: a repeated batch may carry a new one. */
function digestOf(batch: SentinelBatch): string {
  return createHash('sha256')
    .update(JSON.stringify({ ...batch, sentAt: '' }))
    .digest('base64');
}
