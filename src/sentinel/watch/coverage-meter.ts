// How long a VM was really watched, and for how much of that time something may have gone unseen. Overlapping losses count once.
import type { Coverage } from '../../model/profile.ts';

/** Longer than any interval between two looks. */
const gapMsMax = 5000;

export class CoverageMeter {
  readonly #vm: string;
  #watchedMs = 0;
  #lostMs = 0;
  #missed = 0;
  #watchedUntilMs: number | null = null;
  #lostUntilMs = Number.NEGATIVE_INFINITY;

  constructor(vm: string) {
    this.#vm = vm;
  }

  /** The VM is being watched since the last call, or from now on. */
  watched(nowMs: number): void {
    const sinceMs = this.#watchedUntilMs;
    this.#watchedUntilMs = nowMs;
    if (sinceMs === null || nowMs <= sinceMs) return;
    this.#watchedMs += nowMs - sinceMs;
    // The host slept, or the sentinel was starved: nobody looked.
    if (nowMs - sinceMs > gapMsMax) this.lost(sinceMs, nowMs, 0);
  }

  /** Nothing runs in it, or nobody is asked to watch: the time until the next `watched` does not count. */
  interrupted(): void {
    this.#watchedUntilMs = null;
  }

  lost(fromMs: number, untilMs: number, missed: number): void {
    this.#lostMs += Math.max(0, untilMs - Math.max(fromMs, this.#lostUntilMs));
    this.#lostUntilMs = Math.max(this.#lostUntilMs, untilMs);
    this.#missed += missed;
  }

  /** A time in which the VM ran and could not be watched at all. */
  blind(fromMs: number, untilMs: number): void {
    this.#watchedMs += Math.max(0, untilMs - fromMs);
    this.lost(fromMs, untilMs, 0);
  }

  /** What came together since the last call; null when nothing did. */
  take(): Coverage | null {
    if (this.#watchedMs === 0 && this.#lostMs === 0 && this.#missed === 0) return null;
    const coverage = {
      vm: this.#vm,
      observedSeconds: this.#watchedMs / 1000,
      lossSeconds: this.#lostMs / 1000,
      missed: this.#missed,
    };
    this.#watchedMs = 0;
    this.#lostMs = 0;
    this.#missed = 0;
    return coverage;
  }
}
