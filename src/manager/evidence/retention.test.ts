// What has had its time: the oldest first, only as much as must go, and never what somebody needs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { EvidenceView } from '../../model/evidence.ts';
import { vmId } from '../../sim/simulated-activity.ts';
import { outdated } from './retention.ts';

const nowMs = Date.parse('2026-11-22T08:00:00.000Z');

interface Some {
  readonly ageMs: number;
  readonly sizeBytes: number;
  readonly isNeeded: boolean;
}

/** Oldest first. */
function viewsOf(items: readonly Some[]): EvidenceView[] {
  return items
    .toSorted((a, b) => b.ageMs - a.ageMs)
    .map(({ ageMs, sizeBytes, isNeeded }, index) => ({
      id: index.toString(16).padStart(32, '0'),
      kind: 'packets',
      vm: vmId(1),
      host: 'host1',
      step: 's',
      state: 'kept',
      name: 'n',
      sizeBytes,
      sha256: '0'.repeat(64),
      madeAt: new Date(nowMs - ageMs).toISOString(),
      note: '',
      removedAt: null,
      removedBy: null,
      alarm: null,
      plan: null,
      keptFor: isNeeded ? 'held by ann' : null,
    }));
}

const items = fc.array(
  fc.record({
    ageMs: fc.integer({ min: 0, max: 100 }),
    sizeBytes: fc.integer({ min: 0, max: 50 }),
    isNeeded: fc.boolean(),
  }),
  { maxLength: 30 },
);
const limits = fc.record({ ageMsMax: fc.integer({ min: 1, max: 100 }), bytesMax: fc.integer({ min: 0, max: 500 }) });

test('nothing that is needed goes, the limits are kept where they can be, and nothing goes for nothing', () => {
  const check = fc.property(items, limits, (some, { ageMsMax, bytesMax }) => {
    const views = viewsOf(some);
    const going = outdated(views, { ageMsMax, bytesMax }, nowMs);
    const left = views.filter(({ id }) => !going.has(id));
    const size = (of: readonly EvidenceView[]): number => of.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0);
    const isOld = ({ madeAt }: EvidenceView): boolean => nowMs - Date.parse(madeAt) > ageMsMax;
    for (const { id, keptFor } of views) assert.ok(keptFor === null || !going.has(id));
    for (const view of left) assert.ok(view.keptFor !== null || !isOld(view));
    if (size(left) > bytesMax) assert.ok(left.every(({ keptFor }) => keptFor !== null));
    // The youngest that went for its size went because with it, it was too much.
    const last = views.findLast(({ id }) => going.get(id) === 'size');
    if (last !== undefined) assert.ok(size([...left, last]) > bytesMax);
    for (const view of views) if (going.get(view.id) === 'age') assert.ok(isOld(view));
  });
  fc.assert(check, { numRuns: 500 });
});
