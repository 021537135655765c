// Who started whom, kept while a recording is read: its events name a parent, and an executable's ancestors say for whom it works.
// Bounded; a process whose start was not recorded has no ancestors beyond what its event says.
import { RecentMap } from '../../kit/recent-map.ts';
import type { RawEvent } from '../../model/raw-event.ts';

interface Running {
  readonly exe: string;
  /** From the parent upwards. */
  readonly ancestors: readonly string[];
}

const processesMax = 100_000;
const ancestorsMax = 32;

export class Lineage {
  readonly #running = new RecentMap<string, Running>(processesMax);

  /** The event with the ancestors that are known; to be called for every event, in order. */
  complete(event: RawEvent): RawEvent {
    const { host, kind, pid, exe } = event;
    if (kind === 'process_exit' && pid !== undefined) this.#running.delete(keyOf(host, pid));
    if (kind !== 'process_start') return event;
    const ancestors = event.ancestors ?? this.#ancestorsOf(event);
    if (pid !== undefined && exe !== undefined) this.#running.set(keyOf(host, pid), { exe, ancestors });
    return ancestors.length === 0 ? event : { ...event, ancestors: [...ancestors] };
  }

  #ancestorsOf({ host, pid, ppid, parentExe }: RawEvent): readonly string[] {
    const before = pid === undefined ? undefined : this.#running.peek(keyOf(host, pid));
    const parent = ppid === undefined ? undefined : this.#running.peek(keyOf(host, ppid));
    // A process that runs another program now descends from what it ran before.
    const from = before !== undefined && before.exe === parentExe ? before : parent;
    if (from === undefined || (parentExe !== undefined && from.exe !== parentExe))
      return parentExe === undefined ? [] : [parentExe];
    return [from.exe, ...from.ancestors].slice(0, ancestorsMax);
  }
}

function keyOf(host: string, pid: number): string {
  return `${host}\n${pid}`;
}
