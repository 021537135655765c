// Which running guest is which VM. An identity belongs to the run that had it first; a second running VM that claims it gets
// one of its own and never inherits, not even after the first has ended.
import type { GuestHandle } from '../../introspection/hypervisor/guest-handle.ts';
import type { Result } from '../../kit/result.ts';
import type { Database } from '../database.ts';

export interface RosterEntry {
  readonly id: string;
  /** Names one run of one QEMU process. */
  readonly run: string;
  readonly handle: GuestHandle;
}

export interface Assignment {
  readonly entries: readonly RosterEntry[];
  /** Runs found to claim an identity that another one has, for the first time. */
  readonly doubled: readonly { readonly entry: RosterEntry; readonly first: RosterEntry }[];
}

/** `knownDoubles`: run to the id it was given when it was found to be a double. */
export function assignIdentities(
  handles: readonly GuestHandle[],
  knownDoubles: ReadonlyMap<string, string>,
): Assignment {
  const byClaim = new Map<string, RosterEntry>();
  const entries: RosterEntry[] = [];
  const doubled: { entry: RosterEntry; first: RosterEntry }[] = [];
  // The older process had the identity first; the pid only settles a tie.
  for (const handle of handles.toSorted((a, b) => a.startTicks - b.startTicks || a.pid - b.pid)) {
    const run = runOf(handle);
    const known = knownDoubles.get(run);
    if (known !== undefined) {
      entries.push({ id: known, run, handle });
      continue;
    }
    const claim = claimOf(handle);
    const first = byClaim.get(claim);
    const entry = { id: first === undefined ? claim : `${claim}#${handle.pid}`, run, handle };
    entries.push(entry);
    if (first === undefined) byClaim.set(claim, entry);
    else doubled.push({ entry, first });
  }
  return { entries, doubled };
}

export function runOf(handle: GuestHandle): string {
  return `${handle.pid}.${handle.startTicks}`;
}

const nameMax = 128;

function claimOf(handle: GuestHandle): string {
  if (handle.uuid !== null) return handle.uuid;
  // A VmId is one line of text.
  return `name:${
    handle.name
      .replaceAll(/\p{Cc}/gu, '?')
      .slice(0, nameMax)
      .toWellFormed() || '?'
  }`;
}

const doublesMax = 10_000;

/** Remembers doubles over restarts of the sentinel. */
export class DoubleMemory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  load(): Result<ReadonlyMap<string, string>> {
    return this.#database.read((sqlite) => {
      const rows = sqlite.prepare('SELECT run, vm FROM doubled').all();
      return new Map(rows.map((row) => [String(row['run']), String(row['vm'])]));
    });
  }

  add(entry: RosterEntry, nowMs: number): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite
        .prepare('INSERT OR REPLACE INTO doubled (run, vm, at_ms) VALUES (?, ?, ?)')
        .run(entry.run, entry.id, nowMs);
      sqlite
        .prepare('DELETE FROM doubled WHERE run NOT IN (SELECT run FROM doubled ORDER BY at_ms DESC LIMIT ?)')
        .run(doublesMax);
    });
  }
}
