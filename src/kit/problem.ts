// What went wrong, in words a user can act on. The kind decides the exit code and the HTTP status; nothing else does.

/** `failed` = tried and did not work; `refused` = a rule, signature or credential forbids it; `unreadable` = there, but cannot be understood. */
export type ProblemKind = 'failed' | 'usage' | 'not-found' | 'unreadable' | 'refused' | 'interrupted';

export interface Problem {
  readonly kind: ProblemKind;
  /** One sentence: what could not be done and why. Never a stack trace, never a secret. */
  readonly message: string;
  /** One sentence: what the reader can do about it. */
  readonly mend?: string;
}

export const exitCodes = {
  failed: 1,
  usage: 2,
  'not-found': 3,
  unreadable: 4,
  refused: 5,
  interrupted: 130,
} as const satisfies Record<ProblemKind, number>;

export const httpStatuses = {
  failed: 500,
  usage: 400,
  'not-found': 404,
  unreadable: 422,
  refused: 403,
  interrupted: 503,
} as const satisfies Record<ProblemKind, number>;

export function problem(kind: ProblemKind, message: string, mend?: string): Problem {
  return mend === undefined ? { kind, message } : { kind, message, mend };
}

/** The message and its mend as one line for a terminal or a log. */
export function sayProblem(p: Problem): string {
  return p.mend === undefined ? p.message : `${p.message} ${p.mend}`;
}

/** What an unknown thrown value says of itself, without its stack. */
export function causeOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
