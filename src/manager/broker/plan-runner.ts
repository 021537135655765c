// Drives every open plan: one step at a time for each VM, several VMs at once, woken by news and by the clock.
import { sayProblem } from '../../kit/problem.ts';
import { openPlanRuns } from '../store/plans.ts';
import { type PlanTurnParts, takeTurn } from './plan-turn.ts';

export interface PlanRunner {
  /** Something may have become possible. */
  wake(): void;
  /** Resolves when nothing is under way any more; what is unfinished goes on with the next manager. */
  close(): Promise<void>;
}

const vmsAtOnceMax = 16;
/** The clock may be set, and a listener may miss something: everything is looked at again after this time. */
const lookAgainMs = 30_000;
const retryMs = 1000;

export function startPlanRunner(parts: PlanTurnParts): PlanRunner {
  const { desk } = parts;
  const working = new Map<string, Promise<void>>();
  let timer: NodeJS.Timeout | null = null;
  let looking: Promise<void> | null = null;
  let wanted = false;
  let closed = false;
  let dueMs = Number.POSITIVE_INFINITY;
  const stopListening = desk.announcements.listen(({ kind }) => {
    if (kind === 'plan' || kind === 'inventory') wake();
  });

  function wake(): void {
    wanted = true;
    if (looking !== null || closed) return;
    looking = look().finally(() => {
      looking = null;
      if (wanted && !closed) wake();
    });
  }

  async function look(): Promise<void> {
    // A turn of the event loop, so that what one transaction announces is taken together.
    await new Promise((resolve) => setImmediate(resolve));
    wanted = false;
    const open = await desk.store.read(async (db) => await openPlanRuns(db));
    if (!open.ok) return wakeAt(desk.clock.now() + retryMs);
    for (const vm of new Set(open.value.map((run) => run.plan.vm))) {
      if (working.has(vm)) continue;
      if (working.size >= vmsAtOnceMax) break;
      const work = workOn(vm).finally(() => {
        working.delete(vm);
        // Somebody may have waited for a free place.
        if (!closed && working.size === vmsAtOnceMax - 1) wake();
      });
      working.set(vm, work);
    }
    wakeAt(desk.clock.now() + lookAgainMs);
  }

  async function workOn(vm: string): Promise<void> {
    while (!closed) {
      const turned = await takeTurn(parts, vm);
      if (!turned.ok) {
        desk.log.error('a plan cannot go on', { vm, why: sayProblem(turned.error) });
        return wakeAt(desk.clock.now() + retryMs);
      }
      if (turned.value.moved) continue;
      if (turned.value.untilMs !== null) wakeAt(turned.value.untilMs);
      return;
    }
  }

  function wakeAt(atMs: number): void {
    const nowMs = desk.clock.now();
    if (closed || (timer !== null && dueMs <= atMs && dueMs > nowMs)) return;
    if (timer !== null) clearTimeout(timer);
    dueMs = atMs;
    timer = setTimeout(wake, Math.max(0, atMs - nowMs)).unref();
  }

  return {
    wake,
    async close() {
      closed = true;
      stopListening();
      if (timer !== null) clearTimeout(timer);
      await looking;
      await Promise.all(working.values());
    },
  };
}
