// The line between a sentinel and a manager in one process, as `plumbline up` runs them. What crosses it is copied as JSON, so
// that neither end holds the other's objects and nothing passes here that would not pass a network.
import { problem } from '../kit/problem.ts';
import { fail, type Result } from '../kit/result.ts';
import type { ManagerEnd, SentinelEnd } from './link.ts';

export interface InProcessLink {
  /** For the sentinel, before there is a manager: it refuses until `connectManager`. */
  readonly manager: ManagerEnd;
  connectManager(end: ManagerEnd): void;
  /** The manager's way to the sentinel. */
  sentinel(end: SentinelEnd): SentinelEnd;
  /** The line is cut, or mended; for tests and shutdown. */
  cut(): void;
}

const mend = 'It is tried again by itself.';

export function inProcessLink(): InProcessLink {
  let far: ManagerEnd | null = null;
  let whole = true;
  const away = (): Result<never> => fail(problem('failed', 'The other end of the line is away.', mend));
  const carry = async <T, U>(end: ((value: T) => Promise<Result<U>>) | null, value: T): Promise<Result<U>> =>
    end === null || !whole ? away() : copied(await end(copied(value)));
  return {
    manager: {
      deliver: (batch) => carry(far === null ? null : (it) => far?.deliver(it) ?? Promise.resolve(away()), batch),
    },
    connectManager(end) {
      far = end;
      whole = true;
    },
    sentinel: (end) => ({
      sentinel: end.sentinel,
      install: (envelope) => carry((it) => end.install(it), envelope),
      order: (envelope) => carry((it) => end.order(it), envelope),
      abilities: (vm) => carry((it) => end.abilities(it), vm),
      evidence: (envelope) => carry((it) => end.evidence(it), envelope),
      retain: (envelope) => carry((it) => end.retain(it), envelope),
    }),
    cut() {
      whole = false;
    },
  };
}

function copied<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
