// Calls somebody else's service with the facts as signed JSON. The signature is that of Standard Webhooks, for which libraries
// exist in many languages: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
import { createHmac } from 'node:crypto';
import { problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { type Caller, type CallOrder, type CallOutcome, nothingToEnd } from '../caller.ts';
import { exchange, type HttpReceiver, outcomeOf } from '../http-call.ts';
import { readSecret } from '../secret-file.ts';

export interface WebhookCallSettings extends HttpReceiver {
  /** File of the key that both sides know: `whsec_` and base64 of it, or the key itself. */
  readonly secretFile: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

const secretPrefix = 'whsec_';
/** The specification asks for 24 to 64 bytes. */
const keyBytesMin = 24;

export function makeWebhookCaller(settings: WebhookCallSettings): Caller {
  const { place, secretFile } = settings;
  return {
    kind: 'webhook',
    place,
    canEnd: false,
    async obstacle() {
      const key = await readKey(secretFile);
      return key.ok ? null : sayProblem(key.error);
    },
    call: async (order) => await post(settings, order),
    end: nothingToEnd,
  };
}

async function post(settings: WebhookCallSettings, { key: id, facts, signal }: CallOrder): Promise<CallOutcome> {
  const key = await readKey(settings.secretFile);
  if (!key.ok) return { state: 'failed', evidence: sayProblem(key.error), again: true };
  const body = JSON.stringify(facts);
  const timestamp = Math.floor(settings.now() / 1000);
  const headers = {
    'content-type': 'application/json',
    'idempotency-key': id,
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatureOf(key.value, id, timestamp, body),
  };
  return outcomeOf(settings, await exchange(settings, { method: 'POST', headers, body, signal }));
}

async function readKey(file: string): Promise<Result<Buffer>> {
  const secret = await readSecret(file);
  if (!secret.ok) return secret;
  const { value } = secret;
  const key = value.startsWith(secretPrefix)
    ? Buffer.from(value.slice(secretPrefix.length), 'base64')
    : Buffer.from(value);
  if (key.length >= keyBytesMin) return ok(key);
  const mend = `Make one: openssl rand -base64 32 > ${file}`;
  return fail(problem('refused', `The secret ${file} is shorter than ${keyBytesMin} bytes.`, mend));
}

/** `timestamp` in seconds; it is signed as well, so that an old message cannot be sent again as a new one. */
export function signatureOf(key: Buffer, id: string, timestamp: number, body: string): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}
