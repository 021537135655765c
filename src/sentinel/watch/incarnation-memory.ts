// Counts the lives of a VM: a new one begins with a new QEMU process, a reboot or a return to a snapshot, and not with a
// restart of the sentinel. An answer given in one life does not stand in for one in the next.
import type { Activity, GuestIdentity } from '../../introspection/guest/guest-view.ts';
import type { Log } from '../../kit/log.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { Database } from '../database.ts';

export interface Sight {
  readonly run: string;
  readonly identity: GuestIdentity;
  readonly activity: Activity;
  /** The session before this one ended because another system was found there. */
  readonly replaced: boolean;
  /** The hypervisor told of a reboot since the session before. */
  readonly rebooted: boolean;
}

/** `began` says why the number rose; null when the life goes on. */
export interface Incarnation {
  readonly number: number;
  readonly began: 'first-seen' | 'new-process' | 'reboot' | 'went-back' | null;
}

/** A guest's clock may be set a little; a reboot takes longer than this. */
const bootToleranceMs = 5000;

export class IncarnationMemory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** At every attach. */
  begin(vm: string, sight: Sight): Result<Incarnation> {
    return this.#database.write((sqlite) => {
      const row = sqlite.prepare('SELECT number, run, booted_ms, forks, ticks FROM incarnation WHERE vm = ?').get(vm);
      const { run, identity, activity } = sight;
      const bootedMs = Math.round(identity.bootedMs);
      const began = row === undefined ? 'first-seen' : beginningOf(row, sight);
      const number = Number(row?.['number'] ?? 0) + (began === null ? 0 : 1);
      sqlite
        .prepare(
          'INSERT OR REPLACE INTO incarnation (vm, number, run, booted_ms, forks, ticks) VALUES (?, ?, ?, ?, ?, ?)',
        )
        .run(vm, number, run, bootedMs, activity.forks, activity.ticks);
      return { number, began };
    });
  }

  /** The same; what cannot be written down is said, and counts as the first life. */
  beginOrFirst(vm: string, sight: Sight, log: Log): Incarnation {
    const life = this.begin(vm, sight);
    if (life.ok) return life.value;
    log.error('life of a VM not written down', { vm, why: sayProblem(life.error) });
    return { number: 1, began: null };
  }

  /** From time to time while the VM is watched, so that going back while nobody looked is noticed. */
  note(vm: string, activity: Activity): Result<void> {
    return this.#database.write((sqlite) => {
      sqlite
        .prepare('UPDATE incarnation SET forks = ?, ticks = ? WHERE vm = ?')
        .run(activity.forks, activity.ticks, vm);
    });
  }
}

function beginningOf(row: { readonly [column: string]: unknown }, sight: Sight): Incarnation['began'] {
  if (row['run'] !== sight.run) return 'new-process';
  const countersFell = sight.activity.forks < Number(row['forks']) || sight.activity.ticks < Number(row['ticks']);
  // By the host's clock the boot time moves with every pause; only the counters tell then.
  const movedMs = sight.identity.bootedBy === 'guest-clock' ? sight.identity.bootedMs - Number(row['booted_ms']) : 0;
  // A reboot is later than the boot before it; a snapshot of an earlier boot brings that boot's time back.
  if (sight.rebooted || movedMs > bootToleranceMs) return 'reboot';
  return countersFell || sight.replaced ? 'went-back' : null;
}
