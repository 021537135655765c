// What an NSX manager answered: a JSON object, or its error in words. Source: NSX-T Data Center REST API, type ApiError.
import type { Json } from '../../kit/canonical-json.ts';
import { asObject, asText, type JsonObject } from '../../kit/json-object.ts';
import { problem, type Problem, type ProblemKind } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { HttpsAnswer } from '../https/pinned-request.ts';

/** `status`: HTTP's, null when nothing was answered; `code`: NSX's own number for the error. */
export type NsxProblem = Problem & { readonly status: number | null; readonly code: number | null };
export type NsxResult<T> = Result<T, NsxProblem>;

/** Sent with 403 for a token that belongs to no session, and for credentials that are not believed. */
const badToken = 98;
const badCredentials = 403;
const wordsMax = 300;

export function withoutStatus(why: Problem): NsxProblem {
  return { ...why, status: null, code: null };
}

/** An empty body is an empty object. `asked` goes into the words of a problem. */
export function readNsxAnswer(place: string, asked: string, { status, body }: HttpsAnswer): NsxResult<JsonObject> {
  const said = parse(body);
  if (status >= 200 && status < 300) {
    if (body === '') return ok({});
    if (said !== null) return ok(said);
    const why = problem('unreadable', `${place} answered ${asked} with something else than a JSON object.`);
    return fail({ ...why, status, code: null });
  }
  const code = typeof said?.['error_code'] === 'number' ? said['error_code'] : null;
  const message = plainWords(asText(said?.['error_message']) ?? '');
  const words = message === '' ? `status ${status}` : `${message} (status ${status}, code ${code ?? 'none'})`;
  const { kind, mend } = meaningOf(status, code);
  return fail({ ...problem(kind, `${place} did not do ${asked}: ${words}.`, mend), status, code });
}

/** Nothing was done for want of a session, so that asking again does nothing twice. */
export function lacksCredentials({ status, code }: NsxProblem): boolean {
  return status === 401 || (status === 403 && (code === badToken || code === badCredentials));
}

function meaningOf(status: number, code: number | null): { readonly kind: ProblemKind; readonly mend?: string } {
  if (status === 401 || (status === 403 && code === badCredentials))
    return { kind: 'refused', mend: 'Check the user, its password, and whether the account is locked.' };
  if (status === 403) return { kind: 'refused', mend: 'Give the account the role that docs/platforms-nsx.md names.' };
  if (status === 404) return { kind: 'not-found' };
  // Of an error inside the server it is not known how far it came.
  if (status === 429 || status >= 500) return { kind: 'interrupted', mend: 'Look whether the manager is well.' };
  return { kind: 'failed' };
}

function parse(body: string): JsonObject | null {
  try {
    return asObject(JSON.parse(body) as Json);
  } catch {
    return null;
  }
}

function plainWords(text: string): string {
  return text
    .slice(0, wordsMax)
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .replace(/\.\s*$/, '')
    .trim();
}
