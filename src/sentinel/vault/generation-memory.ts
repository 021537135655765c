// The highest manifest generation each VM ever held here. Kept apart from the manifests, so that putting an older, validly
// signed file back does not bring its generation back.
import type { Result } from '../../kit/result.ts';
import type { Database } from '../database.ts';

export interface HeldGeneration {
  readonly generation: number;
  /** SHA-256 of the envelope in hex; of the withdrawal's, when withdrawn. */
  readonly digest: string;
  readonly withdrawn: boolean;
}

export class GenerationMemory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get(vm: string): Result<HeldGeneration | null> {
    return this.#database.read((sqlite) => {
      const row = sqlite.prepare('SELECT generation, digest, withdrawn FROM generation WHERE vm = ?').get(vm);
      return row === undefined ? null : heldOf(row);
    });
  }

  all(): Result<ReadonlyMap<string, HeldGeneration>> {
    return this.#database.read((sqlite) => {
      const rows = sqlite.prepare('SELECT vm, generation, digest, withdrawn FROM generation').all();
      return new Map(rows.map((row) => [String(row['vm']), heldOf(row)]));
    });
  }

  /** Never lowers: the higher generation stays, whatever is handed in. */
  raise(vm: string, held: HeldGeneration): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite
        .prepare(
          `INSERT INTO generation (vm, generation, digest, withdrawn) VALUES (?, ?, ?, ?)
           ON CONFLICT (vm) DO UPDATE SET generation = excluded.generation, digest = excluded.digest,
             withdrawn = excluded.withdrawn WHERE excluded.generation >= generation`,
        )
        .run(vm, held.generation, held.digest, held.withdrawn ? 1 : 0);
    });
  }
}

function heldOf(row: { readonly [column: string]: unknown }): HeldGeneration {
  return {
    generation: Number(row['generation']),
    digest: String(row['digest']),
    withdrawn: Number(row['withdrawn']) === 1,
  };
}
