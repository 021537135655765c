// The changes under way on this host's VMs: declared ones come signed in the manifest, observed ones are kept here, over restarts
// of the sentinel too. It decides nothing; what is part of a change, detect knows.
import { createHash } from 'node:crypto';
import type { Log } from '../../kit/log.ts';
import { sayProblem } from '../../kit/problem.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { ChangeWindow } from '../../model/change.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { Activity } from '../../model/observation.ts';
import { isOpenAt, withWindow } from '../../stages/detect/change-window.ts';
import type { Database } from '../database.ts';
import { fingerprintOf } from '../post/fingerprint.ts';

export interface ChangeWindowsOptions {
  readonly database: Database;
  readonly log: Log;
}

/** Processes of all VMs that were admitted and may still run; more are judged anew when they are told of again. */
const admittedMax = 20_000;

export class ChangeWindows {
  readonly #options: ChangeWindowsOptions;
  readonly #observed = new Map<string, readonly ChangeWindow[]>();
  readonly #joined = new WeakMap<Manifest, { windows: readonly ChangeWindow[]; manifest: Manifest }>();
  readonly #admitted = new RecentMap<string, true>(admittedMax);
  #isAdmittedKept = true;

  constructor(options: ChangeWindowsOptions) {
    this.#options = options;
    const kept = options.database.read((sqlite) => ({
      windows: sqlite.prepare('SELECT vm, windows FROM change_window').all(),
      admitted: sqlite.prepare('SELECT process FROM change_admitted ORDER BY place').all(),
    }));
    if (!kept.ok) this.#complain('change windows not read', sayProblem(kept.error));
    for (const row of kept.ok ? kept.value.windows : [])
      this.#observed.set(String(row['vm']), JSON.parse(String(row['windows'])) as ChangeWindow[]);
    for (const row of kept.ok ? kept.value.admitted : []) this.#admitted.set(String(row['process']), true);
  }

  /** The manifest with the observed changes of its VM among its own; the very same value until one of them changes. */
  joined(manifest: Manifest): Manifest {
    const windows = this.#observed.get(manifest.vm) ?? [];
    if (windows.length === 0) return manifest;
    const known = this.#joined.get(manifest);
    if (known?.windows === windows) return known.manifest;
    const joined = { ...manifest, changes: [...(manifest.changes ?? []), ...windows] };
    this.#joined.set(manifest, { windows, manifest: joined });
    return joined;
  }

  /**
   * The window as it is told: installations that follow each other while a window is open are one change to a person, and
   * carry the id of the first.
   */
  open(vm: string, window: ChangeWindow): ChangeWindow {
    const before = this.#observed.get(vm) ?? [];
    const first = before.find((each) => isOpenAt(each, window.from));
    const named = first === undefined ? window : { ...window, id: first.id };
    this.#keep(vm, withWindow(before, named));
    return named;
  }

  /** Its life began anew, or nobody watches it any more: what was changed in it is of no account. */
  forget(vm: string): void {
    if (this.#observed.has(vm)) this.#keep(vm, []);
    for (const [key] of this.#admitted.entries()) if (key.startsWith(`${vm}\n`)) this.#admitted.delete(key);
    this.#isAdmittedKept = false;
  }

  /** The very process was admitted when it was first seen: seen again after the window has closed, it is no news. */
  wasAdmitted(activity: Activity): boolean {
    return this.#admitted.get(keyOf(activity)) === true;
  }

  admit(activity: Activity): void {
    this.#admitted.set(keyOf(activity), true);
    this.#isAdmittedKept = false;
  }

  /** Called every few seconds: a process is admitted in a moment, a flush to disk takes longer. */
  flush(): void {
    if (this.#isAdmittedKept) return;
    this.#isAdmittedKept = true;
    const written = this.#options.database.write((sqlite) => {
      sqlite.exec('DELETE FROM change_admitted');
      const insert = sqlite.prepare('INSERT INTO change_admitted (place, process) VALUES (?, ?)');
      let place = 0;
      for (const [process] of this.#admitted.entries()) insert.run((place += 1), process);
    });
    if (!written.ok) this.#complain('what changes admitted was not kept', sayProblem(written.error));
  }

  #keep(vm: string, windows: readonly ChangeWindow[]): void {
    this.#observed.set(vm, windows);
    const written = this.#options.database.write((sqlite) => {
      sqlite
        .prepare('INSERT OR REPLACE INTO change_window (vm, windows) VALUES (?, ?)')
        .run(vm, JSON.stringify(windows));
    });
    // It holds until the next start all the same.
    if (!written.ok) this.#complain('a change window was not kept', sayProblem(written.error));
  }

  #complain(what: string, why: string): void {
    this.#options.log.error(what, { why });
  }
}

function keyOf(activity: Activity): string {
  const what = createHash('sha256').update(fingerprintOf(activity)).digest('base64');
  return `${activity.vm}\n${activity.pid ?? '?'} ${what}`;
}
