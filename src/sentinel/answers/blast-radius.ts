// How far the sentinel may go alone: a wrong manifest must not take a whole service down. Pure but for what it counts.

export interface BlastLimits {
  /** VMs of one service that standing orders may stop within a minute. */
  readonly vmsPerMinute: number;
}

export const blastDefaults: BlastLimits = { vmsPerMinute: 3 };

export interface Stoppage {
  readonly vm: string;
  /** `scope/service` */
  readonly service: string;
  /** How many members the service has on this host, and how many of the others run. */
  readonly members: number;
  readonly othersRunning: number;
  readonly nowMs: number;
}

const minuteMs = 60_000;

export class BlastRadius {
  readonly #limits: BlastLimits;
  readonly #stopped = new Map<string, Map<string, number>>();

  constructor(limits: BlastLimits) {
    this.#limits = limits;
  }

  /** Null when the VM may be stopped, which is then counted; otherwise why a person has to agree. */
  admit({ vm, service, members, othersRunning, nowMs }: Stoppage): string | null {
    const recent = this.#recent(service, nowMs);
    if (!recent.has(vm) && recent.size >= this.#limits.vmsPerMinute)
      return `${recent.size} VMs of ${service} were stopped within a minute, which is as many as standing orders may stop`;
    if (members > 1 && othersRunning === 0) return `it is the last running member of ${service} on this host`;
    recent.set(vm, nowMs);
    return null;
  }

  #recent(service: string, nowMs: number): Map<string, number> {
    const recent = this.#stopped.get(service) ?? new Map<string, number>();
    for (const [vm, atMs] of recent) if (nowMs - atMs >= minuteMs) recent.delete(vm);
    this.#stopped.set(service, recent);
    return recent;
  }
}
