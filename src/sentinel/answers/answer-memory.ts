// What was answered, kept before and after it is done, so that no restart answers the same thing twice or forgets that it
// was about to.
import type { Result } from '../../kit/result.ts';
import type { Remediation } from '../../model/remediation.ts';
import type { Database } from '../database.ts';

/** The newest ones are kept; an order expires long before so many have followed it. */
const answersMax = 20_000;

export class AnswerMemory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(id: string): Result<Remediation | null> {
    return this.#database.read((sqlite) => {
      const row = sqlite.prepare('SELECT remediation FROM answer WHERE id = ?').get(id);
      return row === undefined ? null : (JSON.parse(String(row['remediation'])) as Remediation);
    });
  }

  put(remediation: Remediation, nowMs: number): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite
        .prepare('INSERT OR REPLACE INTO answer (id, remediation, at_ms) VALUES (?, ?, ?)')
        .run(remediation.id, JSON.stringify(remediation), nowMs);
      sqlite
        .prepare('DELETE FROM answer WHERE id NOT IN (SELECT id FROM answer ORDER BY at_ms DESC, rowid DESC LIMIT ?)')
        .run(answersMax);
    });
  }

  /** Begun by an earlier run of the sentinel that did not live to see the end. */
  unfinished(): Result<readonly Remediation[]> {
    return this.#database.read((sqlite) => {
      const rows = sqlite.prepare("SELECT remediation FROM answer WHERE remediation ->> 'state' = 'executing'").all();
      return rows.map((row) => JSON.parse(String(row['remediation'])) as Remediation);
    });
  }
}
