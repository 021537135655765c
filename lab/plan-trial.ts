// A manager's broker alone, over a store in a file, against simulated hosts: it can die at any point of its work and be started
// again on what it had stored. What tests of plans begin with.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Clock } from '../src/kit/clock.ts';
import { silentLog } from '../src/kit/log.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import { problem } from '../src/kit/problem.ts';
import type { Plan, PlanRun } from '../src/model/plan.ts';
import type { SimulatedEstate } from '../src/sim/simulated-estate.ts';
import type { SentinelEnd } from '../src/wire/link.ts';
import type { Order } from '../src/wire/messages.ts';
import { makeAnnouncements } from '../src/manager/announcements.ts';
import { change } from '../src/manager/audit/change.ts';
import { makeAbilityBook } from '../src/manager/broker/ability-book.ts';
import { adoptPlan } from '../src/manager/broker/adopt-plan.ts';
import type { CallBook } from '../src/manager/broker/call-book.ts';
import { withCalls } from '../src/manager/broker/carry-call.ts';
import { makeSentinelCarrier, settleInterrupted } from '../src/manager/broker/carry-out.ts';
import { type PlanTurnParts, takeTurn } from '../src/manager/broker/plan-turn.ts';
import { undo } from '../src/manager/broker/plans.ts';
import { raiseUnconfirmed } from '../src/manager/broker/unconfirmed.ts';
import type { Desk } from '../src/manager/desk.ts';
import { noLosses } from '../src/manager/losses.ts';
import { noPlatforms } from '../src/manager/platforms/platform-desk.ts';
import { makeAttachedSentinels } from '../src/manager/sentinels.ts';
import { openPlanRuns, planRunById } from '../src/manager/store/plans.ts';
import { openSqliteStore, type Store } from '../src/manager/store/store.ts';
import { must } from '../src/manager/trial.ts';

/** Thrown where a test has the manager die. */
export class Died extends Error {}

/** Asked at every point at which a manager could die; throws `Died` to have it die there. */
export type Fate = (point: string) => void;

export interface SteppedClock extends Clock {
  advance(ms: number): void;
}

export function steppedClock(fromMs: number): SteppedClock {
  let nowMs = fromMs;
  return { now: () => nowMs, monotonic: () => nowMs, advance: (ms) => void (nowMs += ms) };
}

export interface PlanTrial {
  readonly desk: Desk;
  adopt(plan: Plan): Promise<PlanRun>;
  undo(id: string): Promise<Result<PlanRun>>;
  run(id: string): Promise<PlanRun>;
  /** Drives all plans until none has anything to do by itself; time is moved to whatever is waited for, but not beyond `untilMs`. */
  settle(untilMs?: number): Promise<void>;
  close(): Promise<void>;
}

export async function startPlanTrial(
  dir: string,
  clock: SteppedClock,
  estate: SimulatedEstate,
  fate: Fate = () => undefined,
  calls: CallBook = { known: [], consoleUrl: null, caller: () => null },
): Promise<PlanTrial> {
  let isDead = false;
  // Who has died does nothing more, whatever catches the death on its way.
  const end: Fate = (point) => {
    if (isDead) throw new Died(point);
    try {
      fate(point);
    } catch (thrown) {
      isDead = true;
      throw thrown;
    }
  };
  const store = must(await openSqliteStore({ file: join(dir, 'manager.db'), sizeBytesMax: 64 * 1024 * 1024 }));
  const desk = deskOver(mortal(store, end), clock, estate, end, calls);
  const parts: PlanTurnParts = {
    desk,
    carrier: withCalls(desk, makeSentinelCarrier(desk)),
    unconfirmed: async (turn, run) => await raiseUnconfirmed(desk, turn, run),
  };
  must(await settleInterrupted(desk));
  const run = async (id: string) => {
    const found = must(await desk.store.read(async (db) => await planRunById(db, id)));
    assert.ok(found, `no plan ${id}`);
    return found;
  };
  return {
    desk,
    run,
    adopt: async (plan) =>
      must(
        await change(desk, { by: 'x', verb: 'plan.begin', subject: plan.id }, async (turn) =>
          ok(await adoptPlan(turn, plan)),
        ),
      ),
    undo: async (id) => await undo(desk, id, 'ann'),
    async settle(untilMs = Number.POSITIVE_INFINITY) {
      for (;;) {
        const open = must(await desk.store.read(async (db) => await openPlanRuns(db)));
        const vms = [...new Set(open.map(({ plan }) => plan.vm))];
        const dues = await Promise.all(vms.map(async (vm) => await walk(parts, vm)));
        const dueMs = Math.min(...dues);
        if (dueMs > untilMs || !Number.isFinite(dueMs)) return;
        clock.advance(Math.max(0, dueMs - clock.now()));
      }
    },
    close: async () => await store.close(),
  };
}

/** Until the VM's plans rest; when they go on. */
async function walk(parts: PlanTurnParts, vm: string): Promise<number> {
  for (;;) {
    const acted = must(await takeTurn(parts, vm, 'act'));
    const told = must(await takeTurn(parts, vm, 'tell'));
    if (acted.moved || told.moved) continue;
    return Math.min(acted.untilMs ?? Number.POSITIVE_INFINITY, told.untilMs ?? Number.POSITIVE_INFINITY);
  }
}

/** Every write is three points: before it, inside it, and when it has been committed. */
function mortal(store: Store, fate: Fate): Store {
  return {
    read: async (work) => await store.read(work),
    async write(work) {
      fate('before a write');
      let died: unknown = null;
      const written = await store.write(async (db) => {
        const result = await work(db);
        try {
          fate('inside a write');
        } catch (thrown) {
          died = thrown;
          return fail(problem('failed', 'died'));
        }
        return result;
      });
      if (died !== null) throw died;
      fate('after a write');
      return written;
    },
    close: async () => await store.close(),
  };
}

function deskOver(store: Store, clock: SteppedClock, estate: SimulatedEstate, fate: Fate, calls: CallBook): Desk {
  const sentinels = makeAttachedSentinels(() => undefined);
  let ids = 0;
  const desk: Desk = {
    store,
    clock,
    log: silentLog,
    // The seal itself has its own tests; here the order travels as it is.
    seals: {
      keyid: 'k',
      trust: { keys: [] },
      seal: (payloadType, value) => ({ payloadType, payload: JSON.stringify(value), signatures: [] }),
      open: () => fail(problem('refused', 'nothing is opened here')),
    },
    announcements: makeAnnouncements(silentLog),
    sentinels,
    losses: noLosses(),
    abilities: makeAbilityBook(),
    calls,
    platforms: noPlatforms,
    platformFiles: '/nowhere',
    closing: new AbortController().signal,
    newId: () => `id${clock.now()}-${(ids += 1)}`,
  };
  sentinels.attach(hostOf(estate, clock, fate));
  return desk;
}

function hostOf(estate: SimulatedEstate, clock: SteppedClock, fate: Fate): SentinelEnd {
  return {
    sentinel: 'host1',
    install: async () => await Promise.resolve(ok(1)),
    abilities: async () => await Promise.resolve(ok(estate.abilities())),
    evidence: async () => await Promise.resolve(fail(problem('not-found', 'Nothing was collected here.'))),
    retain: async () => await Promise.resolve(ok(0)),
    async order(envelope) {
      const { step, by, alarm } = JSON.parse(envelope.payload) as Order;
      fate('before an order');
      const answer = await estate.order(step);
      fate('after an order');
      if (answer === null) return fail(problem('interrupted', 'No answer came.'));
      const at = new Date(clock.now()).toISOString();
      return ok({ id: step.id, step, origin: 'person', by, alarm, group: null, ...answer, startedAt: at, endedAt: at });
    },
  };
}
