// A sentinel that ends in the middle of a plan: the next one goes on where it was, once, when the VM is there, and not years later.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { silentLog } from '../../kit/log.ts';
import { ok } from '../../kit/result.ts';
import type { Remediation, Step } from '../../model/remediation.ts';
import { planOf } from '../../sim/simulated-plan.ts';
import { type Database, openDatabase } from '../database.ts';
import type { Cause } from './executor.ts';
import { PlanMemory } from './plan-memory.ts';
import { PlanWalker } from './plan-walker.ts';

const vm = 'name:web';
const at = '2026-01-01T00:00:00.000Z';
const cause: Cause = { origin: 'standing-order', by: 'sentinel', alarm: null, group: 'g' };
const plan = planOf(['snapshot', 'suspend', 'power-off'], { vm, attemptsMax: 1 });

suite('plans under way', () => {
  let dir = '';
  let database: Database;
  let nowMs = Date.parse(at);

  beforeEach(() => {
    nowMs = Date.parse(at);
    dir = mkdtempSync(join(tmpdir(), 'plumbline-walker-'));
    const opened = openDatabase(join(dir, 'sentinel.db'));
    assert.ok(opened.ok);
    database = opened.value;
  });
  afterEach(() => {
    database.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** `ends`: the action in the middle of which its sentinel is killed; `fails`: the one that does not succeed. */
  function walker(how: { readonly ends?: Step['action']; readonly fails?: Step['action'] } = {}) {
    const taken: string[] = [];
    const held: string[] = [];
    const memory = new PlanMemory(database);
    const clock = { now: () => nowMs, monotonic: () => nowMs };
    const executor = {
      execute: async (step: Step) => {
        taken.push(step.action);
        if (step.action === how.ends) await new Promise<never>(() => undefined);
        const state = step.action === how.fails ? ('failed' as const) : ('done' as const);
        const done: Remediation = { id: step.id, step, ...cause, state, evidence: '', startedAt: at, endedAt: at };
        return ok(done);
      },
      hold: (step: Step, _cause: Cause, why: string) => void held.push(`${step.action}: ${why}`),
    };
    return { walker: new PlanWalker({ executor, memory, clock, log: silentLog }), taken, held, memory };
  }

  const settled = async (): Promise<void> => {
    for (let turns = 0; turns < 20; turns += 1) await Promise.resolve();
  };
  const kept = (memory: PlanMemory): number => {
    const all = memory.all();
    return all.ok ? all.value.length : -1;
  };

  test('what ended well is forgotten, and what may not follow is left to a person', async () => {
    const well = walker();
    await well.walker.walk(plan, cause);
    assert.deepEqual([well.taken, kept(well.memory)], [['snapshot', 'suspend', 'power-off'], 0]);
    const badly = walker({ fails: 'snapshot' });
    await badly.walker.walk(plan, cause);
    assert.deepEqual(badly.taken, ['snapshot', 'suspend']);
    assert.match(badly.held[0] ?? '', /^power-off: waits for a person: not done: the snapshot before it/);
  });

  for (const [ends, rest] of [
    ['snapshot', ['snapshot', 'suspend', 'power-off']],
    ['suspend', ['suspend', 'power-off']],
    ['power-off', ['power-off']],
  ] as const)
    test(`ended in the middle of ${ends}, it goes on there when the VM is here`, async () => {
      void walker({ ends }).walker.walk(plan, cause);
      await settled();
      const next = walker();
      next.walker.resume(() => false);
      await settled();
      assert.deepEqual(next.taken, []);
      next.walker.resume((id) => id === vm);
      next.walker.resume((id) => id === vm);
      await settled();
      assert.deepEqual([next.taken, kept(next.memory)], [rest, 0]);
    });

  test('after a long time a person decides about the rest', async () => {
    void walker({ ends: 'snapshot' }).walker.walk(plan, cause);
    await settled();
    nowMs += 11 * 60_000;
    const next = walker();
    next.walker.resume(() => true);
    await settled();
    assert.deepEqual([next.taken, kept(next.memory)], [[], 0]);
    assert.deepEqual(
      next.held.map((one) => one.split(': the sentinel')[0]),
      ['suspend: waits for a person', 'power-off: waits for a person'],
    );
  });
});
