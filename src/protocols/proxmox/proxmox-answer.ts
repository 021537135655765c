// What a Proxmox VE server answered: the data, or why there is none, told apart by what can be done about it. Errors are
// sentences of Perl programs; their forms are taken from pve-http-server, pve-common, pve-guest-common and qemu-server.
import type { Json } from '../../kit/canonical-json.ts';
import { asObject, asText } from '../../kit/json-object.ts';
import { type Problem, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { HttpsAnswer } from '../https/pinned-request.ts';

/**
 * session = nobody was logged in, so that nothing was done; denied = the account lacks a privilege; locked = another work holds
 * the VM; stale = somebody changed the configuration meanwhile; absent = it is not there, or not on that node any more.
 */
export type ProxmoxFault = 'session' | 'denied' | 'locked' | 'stale' | 'absent';

export type ProxmoxProblem = Problem & { readonly fault: ProxmoxFault | null };
export type ProxmoxResult<T> = Result<T, ProxmoxProblem>;

const saidMax = 300;

export function readAnswer(
  place: string,
  what: string,
  answer: Pick<HttpsAnswer, 'status' | 'reason' | 'body'>,
): ProxmoxResult<Json> {
  const { status, reason } = answer;
  const body = asObject(parsed(answer.body));
  if (status === 200) {
    return body === null || body['data'] === undefined
      ? fail(faulty(null, 'unreadable', `${place} answered ${what} with something that is no answer of its API.`))
      : ok(body['data']);
  }
  const errors = Object.entries(asObject(body?.['errors']) ?? {}).map(([name, why]) => `${name}: ${asText(why) ?? ''}`);
  const message = asText(body?.['message']) ?? reason;
  const said = oneLine([message, ...errors].filter((text) => text.trim() !== '').join('; ')) || `status ${status}`;
  return fail(problemOf(place, what, status, said));
}

function problemOf(place: string, what: string, status: number, said: string): ProxmoxProblem {
  const sentence = `${place} did not ${what}: ${said}`;
  if (status === 401)
    return faulty('session', 'refused', sentence, 'Check the user or token, its secret, and whether it has expired.');
  if (status === 403)
    return faulty('denied', 'refused', sentence, 'Give the account that privilege on the VM, or do without.');
  // Statuses of its own for a node that it could not reach or that did not answer: it may have done it.
  if (status >= 595 && status <= 599) return faulty(null, 'interrupted', sentence, 'Look whether that node is well.');
  if (status === 501) return faulty(null, 'unreadable', sentence, 'This version of Proxmox VE is not known to work.');
  return sentenceProblem(sentence, said, status === 400 ? 'refused' : 'failed');
}

/** Also of a task that ended badly. */
export function sentenceProblem(sentence: string, said: string, kind: Problem['kind']): ProxmoxProblem {
  if (/\bis locked \([a-z-]{1,40}\)/.test(said))
    return faulty('locked', 'refused', sentence, 'Try again when the work that holds it has ended.');
  if (/checksum mismatch|detected modified configuration/.test(said))
    return faulty('stale', 'refused', sentence, 'Look at the VM and try again.');
  if (/\bdoes not exist|no such (VM|snapshot)|unable to find configuration file/i.test(said))
    return faulty('absent', 'not-found', sentence, 'List the platform again.');
  return faulty(null, kind, sentence);
}

export function faulty(
  fault: ProxmoxFault | null,
  kind: Problem['kind'],
  message: string,
  mend?: string,
): ProxmoxProblem {
  return { ...problem(kind, message, mend), fault };
}

export function withoutFault(why: Problem): ProxmoxProblem {
  return { ...why, fault: null };
}

/** Other people's text, fit for a line of a log. */
export function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const clean = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ').trim();
  return clean.slice(0, saidMax).toWellFormed();
}

/** Numbers come as text or as numbers, whichever the Perl program last used them as; anything else is empty. */
export function plainText(value: Json | undefined): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
