// Watches over a start: nothing that it waits for is waited for without end, and whoever gives up says what it was.
import { problem } from '../../kit/problem.ts';
import { fail, type Result } from '../../kit/result.ts';

export interface StartLimits {
  /** For each thing that is waited for. */
  readonly stepMsMax: number;
  /** For all that is left once the start was asked to stop. */
  readonly stoppingMsMax: number;
}

export const startLimits: StartLimits = { stepMsMax: 60_000, stoppingMsMax: 15_000 };

export interface StartWatch {
  /** From now on this is waited for. */
  readonly waitsFor: (what: string) => void;
  /** What the start came to, or why it was given up: then it is left where it stands. */
  over<T>(starting: Promise<Result<T>>): Promise<Result<T>>;
}

export function watchStart(stop: AbortSignal, limits: StartLimits): StartWatch {
  const { promise: givenUp, resolve: giveUp } = Promise.withResolvers<Result<never>>();
  let what = 'its first step';
  let isOver = false;
  let step: NodeJS.Timeout | undefined;
  let stopping: NodeJS.Timeout | undefined;
  const seconds = (ms: number): string => `${ms / 1000} seconds`;
  const tooLong = (): void => {
    const message = `Plumbline has not started: it waited for ${what} for ${seconds(limits.stepMsMax)}.`;
    giveUp(fail(problem('failed', message, 'See to that, then start it again.')));
  };
  const asked = (): void => {
    stopping = setTimeout(() => {
      const message = `It was asked to stop, and ${seconds(limits.stoppingMsMax)} later still waited for ${what}.`;
      giveUp(fail(problem('interrupted', message)));
    }, limits.stoppingMsMax);
  };
  const waitsFor = (next: string): void => {
    what = next;
    clearTimeout(step);
    // What was given up may go on behind our back.
    if (!isOver) step = setTimeout(tooLong, limits.stepMsMax);
  };
  return {
    waitsFor,
    async over(starting) {
      waitsFor(what);
      if (stop.aborted) asked();
      else stop.addEventListener('abort', asked, { once: true });
      try {
        return await Promise.race([starting, givenUp]);
      } finally {
        isOver = true;
        stop.removeEventListener('abort', asked);
        clearTimeout(step);
        clearTimeout(stopping);
      }
    },
  };
}
