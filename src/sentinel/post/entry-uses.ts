// Which entries of the manifests were used, counted between two reports. What is told is told whole: where an entry found no room,
// the time is not told as watched either, so that nothing looks unused that was not counted.
import { type Clock, isoTime } from '../../kit/clock.ts';
import type { EntryUse, UseReport } from '../../model/entry-use.ts';
import type { Activity } from '../../model/observation.ts';
import type { Coverage } from '../../model/profile.ts';

export interface EntryUsesLimits {
  /** Of each VM between two reports. */
  readonly entriesMax?: number;
  readonly reportEveryMs?: number;
  /** Of all VMs in one batch; what is left follows with the next. */
  readonly perBatchMax?: number;
}

/** VMs remembered; with one that is forgotten go its uses and its time, so that none looks unused. */
const vmsMax = 10_000;
const defaults = { entriesMax: 20_000, reportEveryMs: 600_000, perBatchMax: 2000 } as const;

interface VmUses {
  entries: Map<string, EntryUse>;
  /** Entries whose sample was told. */
  readonly sampled: Set<string>;
  seconds: number;
  isWhole: boolean;
  reportedAtMs: number;
}

export class EntryUses {
  readonly #clock: Clock;
  readonly #limits: Required<EntryUsesLimits>;
  readonly #vms = new Map<string, VmUses>();

  constructor(clock: Clock, limits: EntryUsesLimits = {}) {
    this.#clock = clock;
    this.#limits = { ...defaults, ...limits };
  }

  /** False = it found no room, and the time until the next report is not told as watched. */
  count(vm: string, entry: string, activity: Activity): boolean {
    const uses = this.#of(vm);
    const at = isoTime(this.#clock.now());
    const known = uses.entries.get(entry);
    if (known !== undefined) {
      known.count += 1;
      known.lastAt = at;
      return true;
    }
    if (uses.entries.size >= this.#limits.entriesMax) {
      uses.isWhole = false;
      return false;
    }
    const sample = uses.sampled.has(entry) ? {} : { sample: activity };
    uses.entries.set(entry, { entry, count: 1, firstAt: at, lastAt: at, ...sample });
    return true;
  }

  cover({ vm, observedSeconds, lossSeconds, missed }: Coverage): void {
    const uses = this.#of(vm);
    uses.seconds += Math.max(0, observedSeconds - lossSeconds);
    // What came and went unseen may have used any entry.
    if (missed > 0 && lossSeconds === 0) uses.seconds = 0;
  }

  /** What is due now, within one batch; `all` = whatever there is, since nothing will be told later. */
  take(all: boolean): UseReport[] {
    const nowMs = this.#clock.monotonic();
    let room = this.#limits.perBatchMax;
    const reports: UseReport[] = [];
    for (const [vm, uses] of this.#vms) {
      const isDue = all || nowMs - uses.reportedAtMs >= this.#limits.reportEveryMs;
      if (!isDue || (uses.entries.size === 0 && uses.seconds === 0)) continue;
      if (room <= 0) break;
      const entries = [...uses.entries.values()].slice(0, room);
      room -= entries.length;
      for (const { entry } of entries) {
        uses.entries.delete(entry);
        this.#remember(uses, entry);
      }
      if (uses.entries.size > 0) reports.push({ vm, entries });
      else reports.push({ vm, watchedSeconds: this.#close(uses, nowMs), entries });
    }
    return reports;
  }

  #close(uses: VmUses, nowMs: number): number {
    const seconds = uses.isWhole ? uses.seconds : 0;
    uses.seconds = 0;
    uses.isWhole = true;
    uses.reportedAtMs = nowMs;
    return seconds;
  }

  #remember({ sampled }: VmUses, entry: string): void {
    if (sampled.size >= this.#limits.entriesMax) sampled.clear();
    sampled.add(entry);
  }

  #of(vm: string): VmUses {
    const known = this.#vms.get(vm);
    if (known !== undefined) return known;
    const [oldest] = this.#vms.keys();
    if (this.#vms.size >= vmsMax && oldest !== undefined) this.#vms.delete(oldest);
    const reportedAtMs = this.#clock.monotonic();
    const made = { entries: new Map(), sampled: new Set<string>(), seconds: 0, isWhole: true, reportedAtMs };
    this.#vms.set(vm, made);
    return made;
  }
}
