// Opens a ticket in whatever system takes JSON over HTTP, remembers its key, and closes it when the plan is taken back.
import type { Json } from '../../../kit/canonical-json.ts';
import { sayProblem } from '../../../kit/problem.ts';
import { ok, type Result } from '../../../kit/result.ts';
import { type Caller, type CallOrder, type CallOutcome } from '../caller.ts';
import { exchange, type HttpReceiver, outcomeOf } from '../http-call.ts';
import { plainText } from '../plain-text.ts';
import { readSecret } from '../secret-file.ts';
import { fill } from './template.ts';

export interface TicketSettings extends HttpReceiver {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | { readonly file: string; readonly prefix: string }>>;
  readonly body: unknown;
  /** JSON pointer to the key in the answer; null = nobody wants to know it. */
  readonly key: string | null;
  readonly close: { readonly method: string; readonly url: string; readonly body: unknown } | null;
}

/** What may stand in an address as it is, and leads nowhere else: no dot segment, no slash, nothing escaped. */
const keyForm = /^[A-Za-z0-9][A-Za-z0-9_~:@-]*([.][A-Za-z0-9_~:@-]+)*$/;
const keyLengthMax = 128;

export function makeTicketCaller(settings: TicketSettings): Caller {
  return {
    kind: 'ticket',
    place: settings.place,
    canEnd: settings.close !== null,
    async obstacle() {
      const headers = await headersFrom(settings, 'none');
      return headers.ok ? null : sayProblem(headers.error);
    },
    call: async (order) => await open(settings, order),
    end: async (order, key) => await close(settings, order, key),
  };
}

async function open(settings: TicketSettings, { key: id, facts, signal }: CallOrder): Promise<CallOutcome> {
  const headers = await headersFrom(settings, id);
  if (!headers.ok) return { state: 'failed', evidence: sayProblem(headers.error), again: true };
  const body = JSON.stringify(fill(settings.body, facts, null));
  const answer = await exchange(settings, { method: settings.method, headers: headers.value, body, signal });
  const outcome = outcomeOf(settings, answer);
  if (outcome.state !== 'done' || answer.kind !== 'answered' || settings.key === null) return outcome;
  const key = answer.isCut ? null : keyAt(answer.body, settings.key);
  if (key === null) return { ...outcome, evidence: `${outcome.evidence}; it names no key at ${settings.key}` };
  const evidence = `${settings.place} answered HTTP ${answer.status}: ticket ${plainText(key, keyLengthMax)}`;
  return isFitKey(key) ? { state: 'done', evidence, result: key } : { state: 'done', evidence };
}

async function close(
  settings: TicketSettings,
  { key: id, facts, signal }: CallOrder,
  key: string,
): Promise<CallOutcome> {
  const never = (evidence: string): CallOutcome => ({ state: 'failed', evidence, again: false });
  if (settings.close === null) return never('the configuration says no way to close it');
  if (!isFitKey(key)) return never('the key of the ticket cannot stand in an address');
  const headers = await headersFrom(settings, id);
  if (!headers.ok) return { state: 'failed', evidence: sayProblem(headers.error), again: true };
  const { method, url, body } = settings.close;
  const sent = body === undefined ? null : JSON.stringify(fill(body, facts, key));
  const target = { ...settings, url: new URL(url.replaceAll('{key}', () => key)) };
  const outcome = outcomeOf(settings, await exchange(target, { method, headers: headers.value, body: sent, signal }));
  return outcome.state === 'done' ? { ...outcome, evidence: `ticket ${key} closed: ${outcome.evidence}` } : outcome;
}

async function headersFrom({ headers }: TicketSettings, id: string): Promise<Result<Record<string, string>>> {
  const all: Record<string, string> = {
    accept: 'application/json',
    'content-type': 'application/json',
    'idempotency-key': id,
  };
  for (const [name, value] of Object.entries(headers)) {
    const secret = typeof value === 'string' ? ok(value) : await readSecret(value.file);
    if (!secret.ok) return secret;
    all[name.toLowerCase()] = typeof value === 'string' ? value : `${value.prefix}${secret.value}`;
  }
  return ok(all);
}

function isFitKey(key: string): boolean {
  return key.length <= keyLengthMax && keyForm.test(key);
}

/** RFC 6901; null = nothing there that could be a key. */
export function keyAt(text: string, pointer: string): string | null {
  let at: Json | undefined;
  try {
    at = JSON.parse(text) as Json;
  } catch {
    return null;
  }
  for (const step of pointer.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return null;
    at = (at as { readonly [key: string]: Json | undefined })[name];
  }
  return typeof at === 'string' || typeof at === 'number' ? String(at) : null;
}
