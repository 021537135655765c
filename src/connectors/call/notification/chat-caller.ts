// Tells an alarm in a chat, over the incoming webhook that Slack, Teams or Mattermost gave out for one channel.
import { problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { type Caller, type CallOrder, type CallOutcome, nothingToEnd } from '../caller.ts';
import { exchange, type HttpReceiver, outcomeOf, readUrl } from '../http-call.ts';
import { readSecret } from '../secret-file.ts';
import { chatBody, type ChatKind } from './chat-formats.ts';
import { wordsFor } from './words.ts';

export interface ChatSettings {
  readonly chat: ChatKind;
  /** File of the webhook's address, which is a secret: whoever knows it may write there. */
  readonly urlFile: string;
  readonly timeoutMs: number;
  readonly fingerprint: string | null;
  readonly privateAddresses: boolean;
}

export function makeChatCaller(settings: ChatSettings): Caller {
  return {
    kind: 'notification',
    place: `${settings.chat} by ${settings.urlFile}`,
    canEnd: false,
    async obstacle() {
      const receiver = await receiverOf(settings);
      return receiver.ok ? null : sayProblem(receiver.error);
    },
    call: async (order) => await post(settings, order),
    end: nothingToEnd,
  };
}

async function post(settings: ChatSettings, { key, facts, signal }: CallOrder): Promise<CallOutcome> {
  const receiver = await receiverOf(settings);
  if (!receiver.ok) return { state: 'failed', evidence: sayProblem(receiver.error), again: true };
  const headers = { 'content-type': 'application/json', 'idempotency-key': key };
  const body = JSON.stringify(chatBody(settings.chat, wordsFor(facts)));
  return outcomeOf(receiver.value, await exchange(receiver.value, { method: 'POST', headers, body, signal }));
}

async function receiverOf(settings: ChatSettings): Promise<Result<HttpReceiver>> {
  const text = await readSecret(settings.urlFile);
  if (!text.ok) return text;
  const url = readUrl(text.value);
  // Not its own words: they would name what is secret.
  if (!url.ok) return fail(problem('usage', `${settings.urlFile} holds no address of a webhook.`, url.error.mend));
  const { timeoutMs, fingerprint, privateAddresses } = settings;
  return ok({
    url: url.value,
    place: `${settings.chat} at ${url.value.host}`,
    timeoutMs,
    fingerprint,
    privateAddresses,
  });
}
