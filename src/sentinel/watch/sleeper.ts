// A pause that can be cut short: what a loop waits in, so that news or an end does not have to wait with it.

export class Sleeper {
  #wake: (() => void) | null = null;
  #woken = false;

  /** Returns after `ms`, or at once when `wake` is or was called. */
  async sleep(ms: number): Promise<void> {
    if (!this.#woken) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      this.#wake = resolve;
      await promise;
      clearTimeout(timer);
      this.#wake = null;
    }
    this.#woken = false;
  }

  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }
}
