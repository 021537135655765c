// Plans of several steps that are under way, so that a sentinel that is started again goes on where it was.
import type { Result } from '../../kit/result.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { Database } from '../database.ts';
import type { Cause } from './executor.ts';

export interface PlanUnderWay {
  readonly run: PlanRun;
  readonly cause: Cause;
}

const plansMax = 10_000;

export class PlanMemory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  put({ run, cause }: PlanUnderWay, nowMs: number): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite
        .prepare('INSERT OR REPLACE INTO plan_run (id, body, at_ms) VALUES (?, ?, ?)')
        .run(idOf(run), JSON.stringify({ run, cause }), nowMs);
    });
  }

  remove(run: PlanRun): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite.prepare('DELETE FROM plan_run WHERE id = ?').run(idOf(run));
    });
  }

  /** Oldest first. */
  all(): Result<readonly PlanUnderWay[]> {
    return this.#database.read((sqlite) =>
      sqlite
        .prepare('SELECT body FROM plan_run ORDER BY at_ms LIMIT ?')
        .all(plansMax)
        .map((row) => JSON.parse(String(row['body'])) as PlanUnderWay),
    );
  }
}

/** The same plan in another life of its VM has other steps. */
function idOf({ plan }: PlanRun): string {
  return `${plan.id} ${plan.steps[0]?.id ?? ''}`;
}
