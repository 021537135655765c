// Sweeps beside a trace: what both saw counts once, and what a sweep saw that the trace never told of is handed on as well and
// counted as missed by the trace.
import { RecentMap } from '../../kit/recent-map.ts';
import type { RawEvent } from '../../model/raw-event.ts';

export interface Checked {
  /** What the trace did not tell of. */
  readonly events: readonly RawEvent[];
  /** How many of them it should have told of. */
  readonly missed: number;
}

interface Waiting {
  readonly event: RawEvent;
  readonly dueMs: number;
  /** From before the trace had begun. */
  readonly excused: boolean;
}

/** A trace's lines come by way of another process and in batches. */
const patienceMs = 1500;
const toldMax = 65_536;
const waitingMax = 65_536;

export class CrossCheck {
  readonly #told = new RecentMap<string, true>(toldMax);
  #waiting: Waiting[] = [];
  #isFirst = true;
  #restating = false;

  /** What the trace reported. */
  heard(events: readonly RawEvent[]): void {
    for (const event of events) for (const key of keysOf(event)) this.#told.set(key, true);
  }

  /** The next sweep reports everything anew, to be judged by another manifest: all of it passes. */
  restate(): void {
    this.#restating = true;
  }

  /** What a sweep reported; losses of sweeps say nothing while a trace runs. */
  swept(events: readonly RawEvent[], nowMs: number): Checked {
    const passing: RawEvent[] = [];
    for (const event of events) {
      if (event.kind === 'loss' || event.kind === 'process_exit') continue;
      if (this.#restating) passing.push(event);
      else if (this.#waiting.length < waitingMax)
        this.#waiting.push({ event, dueMs: nowMs + patienceMs, excused: this.#isFirst });
      else passing.push(event);
    }
    this.#restating = false;
    this.#isFirst = false;
    const settled = this.#settle(nowMs);
    return { events: [...passing, ...settled.events], missed: settled.missed };
  }

  /** What still waits, when the trace has ended: nobody will tell of it any more. */
  flush(): readonly RawEvent[] {
    return this.#settle(Number.POSITIVE_INFINITY).events;
  }

  #settle(nowMs: number): Checked {
    const due = this.#waiting.filter(({ dueMs }) => dueMs <= nowMs);
    this.#waiting = this.#waiting.filter(({ dueMs }) => dueMs > nowMs);
    const untold = due.filter(({ event }) => !this.#isTold(event));
    const missed = untold.filter((waiting) => !waiting.excused && this.#isMissed(waiting.event)).length;
    return { events: untold.map(({ event }) => event), missed };
  }

  #isTold(event: RawEvent): boolean {
    return this.#told.has(keysOf(event)[0] ?? '');
  }

  /**
   * A process that became another user, and a connection that is not accepted yet, are no event of a trace; nor does it see a
   * datagram socket that was never connected.
   */
  #isMissed(event: RawEvent): boolean {
    if (event.alreadyRunning === true) return false;
    if (event.kind === 'process_start') return !this.#told.has(sameProgram(event));
    return event.proto === 'tcp' && event.kind !== 'net_accept';
  }
}

/** The most telling key first: the one by which a sweep's event is known to have been told. */
function keysOf(event: RawEvent): readonly string[] {
  if (event.kind === 'process_start')
    return [JSON.stringify(['users', event.uid, event.euid, sameProgram(event)]), sameProgram(event)];
  const ends =
    event.kind === 'net_connect'
      ? [plain(event.remoteAddr), event.remotePort]
      : event.kind === 'net_accept'
        ? [event.localPort, plain(event.remoteAddr), event.remotePort]
        : [event.localPort];
  // Who owns a socket a sweep may not know any more.
  const unowned = JSON.stringify([event.kind, event.proto, ...ends]);
  return event.exe === undefined ? [unowned] : [JSON.stringify([unowned, event.exe]), unowned];
}

function sameProgram({ pid, exe, argv }: RawEvent): string {
  return JSON.stringify(['process', pid, exe, argv]);
}

/** An IPv4 peer of an IPv6 socket is the same peer. */
function plain(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/i, '');
}
