// Users as patterns: one numeric id, or any.
import { problem } from '../kit/problem.ts';
import { type Result, fail, ok } from '../kit/result.ts';

export type UserPattern = 'any' | number;

export function parseUser(text: string): Result<UserPattern> {
  if (text === 'any') return ok('any');
  if (/^(0|[1-9][0-9]{0,9})$/.test(text)) return ok(Number(text));
  return fail(problem('usage', `${text} is not a user pattern.`, 'Write a numeric user id, or any.'));
}

export function printUser(pattern: UserPattern): string {
  return String(pattern);
}

/** What is not known (null) cannot differ. */
export function matchesUser(pattern: UserPattern, uid: number | null): boolean {
  return pattern === 'any' || uid === null || pattern === uid;
}

export function subsumesUser(wide: UserPattern, narrow: UserPattern): boolean {
  return wide === 'any' || wide === narrow;
}
