// What a provisioning system would have said of a recorded change before making it: when, with which packages, and which programs
// it runs itself. What those programs then do it does not say.
import type { Activity } from '../model/observation.ts';
import { type DeclaredChange, installation } from '../stages/detect/change-window.ts';

interface Change {
  from: string;
  until: string;
  readonly packages: Set<string>;
  readonly programs: Set<string>;
  readonly pids: Set<number>;
}

const hostsMax = 10_000;
const namesMax = 1000;

export class DeclaredChanges {
  readonly #changes = new Map<string, Change>();

  take(activity: Activity): void {
    const { vm, at } = activity;
    const known = this.#changes.get(vm);
    if (known === undefined && this.#changes.size >= hostsMax) return;
    const change = known ?? { from: at, until: at, packages: new Set(), programs: new Set(), pids: new Set() };
    this.#changes.set(vm, change);
    if (at < change.from) change.from = at;
    if (at > change.until) change.until = at;
    if (activity.kind !== 'process' || change.programs.size > namesMax) return;
    for (const each of installation(activity) ?? []) if (change.packages.size < namesMax) change.packages.add(each);
    const { pid, ppid, image } = activity;
    const isFirst = ppid === null || !change.pids.has(ppid);
    if (isFirst && (pid === null || !change.pids.has(pid)) && image.exe !== null) change.programs.add(image.exe);
    if (pid !== null && change.pids.size < 100 * namesMax) change.pids.add(pid);
  }

  byHost(): ReadonlyMap<string, DeclaredChange> {
    return new Map(
      [...this.#changes].map(([host, { from, until, packages, programs }]) => [
        host,
        { from, until, packages: [...packages], programs: [...programs] },
      ]),
    );
  }
}
