// The contract of everything that is called outside as a step of a plan: a webhook, a program, a message, a ticket. A caller
// tries once and within its own time limit; trying again, and remembering what was done, is the broker's.
import type { CallFacts } from '../../model/call-facts.ts';

export interface CallOrder {
  /** The same for every attempt at the same call. It goes out with it, so that a receiver can tell a repetition. */
  readonly key: string;
  readonly facts: CallFacts;
  readonly signal: AbortSignal;
}

/** unconfirmed = it was sent and nobody said what became of it. `again` = a later attempt may succeed. */
export type CallOutcome =
  | { readonly state: 'done'; readonly evidence: string; readonly result?: string }
  | { readonly state: 'failed'; readonly evidence: string; readonly again: boolean }
  | { readonly state: 'unconfirmed'; readonly evidence: string };

export type CallKind = 'webhook' | 'command' | 'notification' | 'ticket';

export interface Caller {
  readonly kind: CallKind;
  /** Where it goes, without secrets. */
  readonly place: string;
  /** What it opens can be closed again by `end`. */
  readonly canEnd: boolean;
  /** Why it could not be called now; null = nothing is known to stand in the way. */
  obstacle(): Promise<string | null>;
  /** Never throws. */
  call(order: CallOrder): Promise<CallOutcome>;
  /** Closes what an earlier call opened, by the `result` of that call. Never throws. */
  end(order: CallOrder, result: string): Promise<CallOutcome>;
}

/** For callers of what cannot be taken back. */
export async function nothingToEnd(): Promise<CallOutcome> {
  return await Promise.resolve({ state: 'failed', evidence: 'it cannot be taken back', again: false });
}
