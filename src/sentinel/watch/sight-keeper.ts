// How well one VM is seen: the time it was watched, the time in which something may have gone unseen, and when a VM that runs
// and cannot be looked into is a matter for a person.
import type { Coverage } from '../../model/profile.ts';
import { CoverageMeter } from './coverage-meter.ts';

export interface SightKeeperOptions {
  readonly vm: string;
  /** When the watch began, wall clock: a VM that was never seen is lost from then on. */
  readonly bornMs: number;
  /** A watched VM that runs and cannot be looked into for so long is a matter for a person. */
  readonly lostSightMs: number;
}

export class SightKeeper {
  readonly #options: SightKeeperOptions;
  readonly #meter: CoverageMeter;
  /** Since when a running VM could not be looked into, wall clock; null while it can or needs not. */
  #blindSinceMs: number | null = null;
  #told = false;

  constructor(options: SightKeeperOptions) {
    this.#options = options;
    this.#meter = new CoverageMeter(options.vm);
  }

  /** It was looked at. */
  seen(nowMs: number): void {
    if (this.#blindSinceMs !== null) this.#meter.blind(this.#blindSinceMs, nowMs);
    this.#blindSinceMs = null;
    this.#meter.watched(nowMs);
  }

  /** The look gave nothing: from now on it is not seen. */
  failed(nowMs: number): void {
    this.#blindSinceMs = nowMs;
  }

  /** Nothing can be seen of it although it runs: the time counts as lost. True when a person should be told, once for each loss. */
  unseen(nowMs: number): boolean {
    this.#meter.interrupted();
    this.#blindSinceMs ??= nowMs;
    const { bornMs, lostSightMs } = this.#options;
    if (this.#told || nowMs - Math.max(this.#blindSinceMs, bornMs) < lostSightMs) return false;
    this.#told = true;
    return true;
  }

  /** Nothing runs in it, or nobody asks: the time counts for nothing until it is seen again. */
  rest(): void {
    this.#meter.interrupted();
    this.#blindSinceMs = null;
  }

  /** As `rest`, for a moment: what was lost before stays lost. */
  interrupted(): void {
    this.#meter.interrupted();
  }

  /** A session began: the next loss of sight is told anew. */
  begun(): void {
    this.#told = false;
  }

  lost(fromMs: number, untilMs: number, missed: number): void {
    this.#meter.lost(fromMs, untilMs, missed);
  }

  takeCoverage(): Coverage | null {
    return this.#meter.take();
  }
}
