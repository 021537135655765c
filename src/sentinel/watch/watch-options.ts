// What a VM's watch is given, and whom it tells.
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Activity } from '../../introspection/guest/guest-view.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import type { GuestSource } from './guest-source.ts';
import type { Incarnation, Sight } from './incarnation-memory.ts';
import type { PaceLimits } from './pace.ts';
import type { Pulse } from './pulse.ts';
import type { RosterEntry } from './roster.ts';

/** What a watch tells the sentinel. */
export interface WatchListener {
  news(vm: string, events: readonly RawEvent[]): void;
  /** What runs and is connected now, whenever it began; of VMs that nobody watches, too. */
  standing(vm: string, events: readonly RawEvent[]): void;
  /** A session began; answers which life of the VM it looks at. */
  attached(vm: string, sight: Sight): Incarnation;
  note(vm: string, activity: Activity): void;
  guard(event: GuardEvent): void;
}

export interface WatchOptions {
  readonly entry: RosterEntry;
  readonly source: GuestSource;
  readonly clock: Clock;
  readonly log: Log;
  readonly host: string;
  readonly pace: PaceLimits;
  /** Beats every `pollMs`. */
  readonly pulse: Pulse;
  /** Processor time this thread has used, in milliseconds: on a busy host a look takes longer than it costs. */
  readonly busyMs: () => number;
  /** A watched VM that runs and cannot be looked into for so long is a matter for a person. */
  readonly lostSightMs: number;
  readonly listener: WatchListener;
}
