// Processes that were killed at an attempt, until they are seen to have ended: where ends are not watched for, that is looked up now and then.
// Told as any other end, and once: whichever comes first, this look or a stop.
import { plainEvent } from './hooks/hook-context.ts';
import type { PageCache } from '../memory/page-cache.ts';
import type { Actor, ProcessReader } from './process-facts.ts';
import type { StopLooker } from './stop-look.ts';
import type { TraceJournal } from './trace-journal.ts';

/** Each ends within milliseconds of its guest's running on, unless it sleeps where no signal wakes it. */
const waitedForMax = 1024;

/** Pages read at one look at most: some for each of them. */
const readsMax = 8_192;

export interface KilledParts {
  readonly pages: Pick<PageCache, 'begin'>;
  readonly processes: Pick<ProcessReader, 'lives'>;
  readonly looker: Pick<StopLooker, 'isFirst'>;
  readonly journal: Pick<TraceJournal, 'tell'>;
}

export class KilledProcesses {
  readonly #parts: KilledParts;
  readonly #dying = new Map<string, Actor>();

  constructor(parts: KilledParts) {
    this.#parts = parts;
  }

  /** Past the limit the oldest is given up: that it ended is then never said. */
  add(actor: Actor): void {
    this.#dying.set(actor.process, actor);
    const [oldest] = this.#dying.keys();
    if (this.#dying.size > waitedForMax && oldest !== undefined) this.#dying.delete(oldest);
  }

  /** Reads the guest's memory, whether it runs or not; not between a stop's being noticed and its being told, which would come out of order. */
  look(atMs: number): void {
    const { pages, processes, looker, journal } = this.#parts;
    if (this.#dying.size === 0) return;
    pages.begin(readsMax);
    for (const [process, actor] of this.#dying) {
      if (processes.lives(actor)) continue;
      this.#dying.delete(process);
      if (looker.isFirst(endKey(process))) journal.tell(plainEvent('exit', actor), atMs, null);
    }
  }

  /** Another past was loaded. */
  forget(): void {
    this.#dying.clear();
  }
}

/** What names the end of a process, whoever sees it. */
export function endKey(process: string): string {
  return `exit ${process}`;
}
