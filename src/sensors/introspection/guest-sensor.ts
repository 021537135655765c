// One guest's sensor: takes looks at it from outside and answers what is new since the last one, and what may have gone
// unseen in between. It makes no looks itself and reads no clock; whoever has the session does.
import { isoTime } from '../../kit/clock.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import type { SweepResult } from '../../introspection/guest/guest-view.ts';
import { ForkLedger } from './fork-ledger.ts';
import { ProcessDiffer } from './process-differ.ts';
import { SocketDiffer } from './socket-differ.ts';

export interface GuestLook {
  readonly sweep: SweepResult;
  /** `Activity.forks` just before and just after the sweep. */
  readonly forksBefore: number;
  readonly forksAfter: number;
}

export interface News {
  /** What started, ended, listens and connects; a last event of kind `loss` when something may have gone unseen. */
  readonly events: readonly RawEvent[];
  /** Something was caught half-way: look again within milliseconds. */
  readonly lookAgain: boolean;
  /** The guest showed something new, so that more may follow. */
  readonly lively: boolean;
  readonly missed: number;
}

/** Looks at the guest's threads, at the price of a light sweep; null when that failed. */
export type ThreadLook = () => SweepResult | null;

export interface GuestSensorOptions {
  /** The VM's id, for the events. */
  readonly host: string;
  /** How many processes and sockets are kept apart; default 65 536 each. */
  readonly processesMax?: number;
  readonly socketsMax?: number;
}

const threadsMax = 65_536;
const tableMaxDefault = 65_536;

export class GuestSensor {
  readonly #host: string;
  readonly #processes: ProcessDiffer;
  readonly #sockets: SocketDiffer;
  readonly #threads = new RecentMap<string, true>(threadsMax);
  #ledger: ForkLedger | null = null;
  #lastMs: number | null = null;

  constructor(options: GuestSensorOptions) {
    const { host, processesMax = tableMaxDefault, socketsMax = tableMaxDefault } = options;
    this.#host = host;
    this.#processes = new ProcessDiffer({ host, tableMax: processesMax });
    this.#sockets = new SocketDiffer({ host, tableMax: socketsMax });
  }

  /** The next look reports everything that is there, as the first one did. */
  restate(): void {
    this.#processes.restate();
    this.#sockets.restate();
  }

  /** The first look reports everything that runs; what came before it is nobody's loss but not seen either. */
  next(look: GuestLook, lookAtThreads: ThreadLook): News {
    const { sweep } = look;
    const processes = this.#processes.next(sweep);
    const sockets = this.#sockets.next(sweep, (pid) => this.#processes.programOf(pid));
    const unseen = this.#account(look, processes.newTasks, lookAtThreads);
    const missed = unseen + processes.unidentified + processes.overflow;
    const reasons = [
      ...(unseen > 0 ? [`${unseen} processes or threads came and went between two looks`] : []),
      ...(processes.unidentified > 0
        ? [`${processes.unidentified} processes ended before they could be identified`]
        : []),
      ...(processes.overflow > 0 ? [`${processes.overflow} processes exceed the table`] : []),
      ...(sockets.evicted > 0 ? [`${sockets.evicted} sockets exceed the table`] : []),
      ...(sweep.complete ? [] : [incompleteness(sweep)]),
    ];
    const from = this.#lastMs ?? sweep.takenMs;
    this.#lastMs = sweep.takenMs;
    const events = [...processes.events, ...sockets.events];
    const loss = reasons.length === 0 ? [] : [this.#loss(from, sweep, missed, reasons.join('; '))];
    return {
      events: [...events, ...loss],
      lookAgain: processes.lookAgain || sockets.lookAgain,
      lively: events.length > 0,
      missed,
    };
  }

  #account(look: GuestLook, newTasks: number, lookAtThreads: ThreadLook): number {
    if (this.#ledger === null) {
      // The threads that run already are known from now on, or each would later explain a process that it is not.
      this.#newThreads(lookAtThreads());
      this.#ledger = new ForkLedger(look.forksAfter);
      return 0;
    }
    const counted = { forksBefore: look.forksBefore, forksAfter: look.forksAfter, newTasks };
    const newThreads = this.#ledger.unexplained(counted) > 0 ? this.#newThreads(lookAtThreads()) : 0;
    return this.#ledger.settle(counted, newThreads);
  }

  #newThreads(sweep: SweepResult | null): number {
    let found = 0;
    for (const task of sweep?.tasks ?? []) {
      if (task.pid === task.tgid) continue;
      const key = `${task.pid} ${task.startedAfterBootUs}`;
      if (!this.#threads.has(key)) found += 1;
      this.#threads.set(key, true);
    }
    return found;
  }

  #loss(fromMs: number, sweep: SweepResult, missed: number, reason: string): RawEvent {
    return {
      ts: isoTime(Math.min(fromMs, sweep.takenMs)),
      until: isoTime(sweep.takenMs),
      host: this.#host,
      kind: 'loss',
      evidence: 'outside',
      // A sweep cut short may hide any number.
      ...(sweep.complete ? { missed } : {}),
      reason: reason.slice(0, 500),
    };
  }
}

function incompleteness(sweep: SweepResult): string {
  const said = sweep.notes
    .filter((note) => note.kind !== 'transient')
    .map((note) => `${note.count} ${note.kind}: ${note.detail}`);
  return said.length === 0 ? 'a sweep was incomplete' : said.join(', ');
}
