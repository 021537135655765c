// VMs of this host whose cards' links are to stay down, kept over restarts of the sentinel and of the VM.
import type { Result } from '../../kit/result.ts';
import type { Step } from '../../model/remediation.ts';
import type { Database } from '../database.ts';

export interface CutLinks {
  readonly vm: string;
  /** The step that cut them. */
  readonly step: Step;
  /** Names of the cards that were up before, or came up since: those that come up again. */
  readonly cards: readonly string[];
}

/** More on one host means that somebody orders without end. */
const vmsMax = 10_000;

export class LinkMemory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  all(): Result<readonly CutLinks[]> {
    return this.#database.read((sqlite) =>
      sqlite
        .prepare('SELECT body FROM cut_link ORDER BY at_ms LIMIT ?')
        .all(vmsMax)
        .map((row) => JSON.parse(String(row['body'])) as CutLinks),
    );
  }

  get(vm: string): Result<CutLinks | null> {
    return this.#database.read((sqlite) => {
      const row = sqlite.prepare('SELECT body FROM cut_link WHERE vm = ?').get(vm);
      return row === undefined ? null : (JSON.parse(String(row['body'])) as CutLinks);
    });
  }

  put(cut: CutLinks, nowMs: number): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite
        .prepare('INSERT OR REPLACE INTO cut_link (vm, body, at_ms) VALUES (?, ?, ?)')
        .run(cut.vm, JSON.stringify(cut), nowMs);
    });
  }

  remove(vm: string): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite.prepare('DELETE FROM cut_link WHERE vm = ?').run(vm);
    });
  }
}
