// Drives every open plan: one step at a time for each VM, beside it one call, several VMs at once, woken by news and by the clock.
// Calls have places of their own, so that receivers that hang take none from what protects.
import { sayProblem } from '../../kit/problem.ts';
import type { PlanRun } from '../../model/plan.ts';
import { type Lane, nextMove } from '../../stages/respond/plan-run.ts';
import { openPlanRuns } from '../store/plans.ts';
import { type PlanTurnParts, takeTurn } from './plan-turn.ts';

export interface PlanRunner {
  /** Something may have become possible. */
  wake(): void;
  /** Resolves when nothing is under way any more; what is unfinished goes on with the next manager. */
  close(): Promise<void>;
}

/** In each lane. */
const vmsAtOnceMax = 16;
/** The clock may be set, and a listener may miss something: everything is looked at again after this time. */
const lookAgainMs = 30_000;
const retryMs = 1000;

export function startPlanRunner(parts: PlanTurnParts): PlanRunner {
  const { desk } = parts;
  const working = { act: new Map<string, Promise<void>>(), tell: new Map<string, Promise<void>>() };
  let timer: NodeJS.Timeout | null = null;
  let looking: Promise<void> | null = null;
  let wanted = false;
  let closed = false;
  let dueMs = Number.POSITIVE_INFINITY;
  /** VMs whose plans changed during a turn: what the other lane did may be what this one waits for. */
  const stirred = { act: new Set<string>(), tell: new Set<string>() };
  const stopListening = desk.announcements.listen((said) => {
    if (said.kind === 'plan')
      for (const lane of ['act', 'tell'] as const)
        if (working[lane].has(said.run.plan.vm)) stirred[lane].add(said.run.plan.vm);
    if (said.kind === 'plan' || said.kind === 'inventory') wake();
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
    for (const lane of ['act', 'tell'] as const) begin(lane, open.value);
    wakeAt(desk.clock.now() + lookAgainMs);
  }

  /** Only VMs that have something to do take a place: those that wait for a person may be many. */
  function begin(lane: Lane, open: readonly PlanRun[]): void {
    const busy = working[lane];
    const nowMs = desk.clock.now();
    const due = new Set<string>();
    for (const run of open) {
      const move = nextMove(run, nowMs, lane);
      if (move.do !== 'rest') due.add(run.plan.vm);
      else if (move.untilMs !== null) wakeAt(move.untilMs);
    }
    for (const vm of due) {
      if (busy.has(vm)) continue;
      if (busy.size >= vmsAtOnceMax) break;
      const work = workOn(vm, lane).finally(() => {
        busy.delete(vm);
        stirred[lane].delete(vm);
        // Somebody may have waited for a free place.
        if (!closed && busy.size === vmsAtOnceMax - 1) wake();
      });
      busy.set(vm, work);
    }
  }

  async function workOn(vm: string, lane: Lane): Promise<void> {
    while (!closed) {
      stirred[lane].delete(vm);
      const turned = await takeTurn(parts, vm, lane);
      if (!turned.ok) {
        desk.log.error('a plan cannot go on', { vm, why: sayProblem(turned.error) });
        return wakeAt(desk.clock.now() + retryMs);
      }
      if (turned.value.moved || stirred[lane].has(vm)) continue;
      if (turned.value.untilMs !== null) wakeAt(turned.value.untilMs);
      return;
    }
  }

  function wakeAt(atMs: number): void {
    const nowMs = desk.clock.now();
    if (closed || (timer !== null && dueMs <= atMs && dueMs > nowMs)) return;
    if (timer !== null) clearTimeout(timer);
    dueMs = atMs;
    timer = setTimeout(ring, Math.max(0, atMs - nowMs)).unref();
  }

  /** A timer may ring before the clock shows its time; only one that has not rung yet is waited for. */
  function ring(): void {
    timer = null;
    wake();
  }

  return {
    wake,
    async close() {
      closed = true;
      stopListening();
      if (timer !== null) clearTimeout(timer);
      await looking;
      await Promise.all([...working.act.values(), ...working.tell.values()]);
    },
  };
}
