// What the callers that speak HTTP have in common: how a receiver is named, and what its answer means for the step.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { type OutgoingAnswer, sendOutgoing } from '../../protocols/https/outgoing-request.ts';
import type { CallOutcome } from './caller.ts';
import { plainText } from './plain-text.ts';

export interface HttpReceiver {
  readonly url: URL;
  /** What may be said of it: the path of some addresses is a secret. */
  readonly place: string;
  readonly timeoutMs: number;
  readonly fingerprint: string | null;
  readonly privateAddresses: boolean;
}

export interface HttpMessage {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly signal: AbortSignal;
}

const bodyBytesMax = 256 * 1024;
const answerBytesMax = 64 * 1024;

/** An address that may be called: HTTP or HTTPS, no user part, which would stand in logs. */
export function readUrl(text: string): Result<URL> {
  const url = URL.parse(text);
  const isFit = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  return isFit
    ? ok(url)
    : fail(
        problem('usage', 'It is not http(s)://HOST[:PORT]/PATH without user and password.', 'Secrets go into a file.'),
      );
}

export async function exchange(receiver: HttpReceiver, message: HttpMessage): Promise<OutgoingAnswer> {
  const { url, timeoutMs, fingerprint, privateAddresses } = receiver;
  if (Buffer.byteLength(message.body ?? '') > bodyBytesMax)
    return { kind: 'unsent', why: `what would be sent is longer than ${bodyBytesMax} bytes`, again: false };
  return await sendOutgoing({ ...message, url, timeoutMs, fingerprint, privateAddresses, answerBytesMax });
}

/** 2xx = done. Too early, too many and the server's own troubles may pass; whatever else it says, it would say again. */
export function outcomeOf({ place }: HttpReceiver, answer: OutgoingAnswer): CallOutcome {
  switch (answer.kind) {
    case 'unsent':
      return { state: 'failed', evidence: plainText(`${place}: not sent: ${answer.why}`, 1000), again: answer.again };
    case 'silent':
      return { state: 'unconfirmed', evidence: plainText(`${place}: sent, and ${answer.why}`, 1000) };
    case 'answered': {
      const { status, body } = answer;
      const said = body === '' ? '' : `: ${plainText(body, 500)}`;
      const evidence = `${place} answered HTTP ${status}${said}`;
      if (status >= 200 && status < 300) return { state: 'done', evidence };
      const isElsewhere = status >= 300 && status < 400 ? '; redirects are not followed' : '';
      const again = status >= 500 || status === 408 || status === 425 || status === 429;
      return { state: 'failed', evidence: `${evidence}${isElsewhere}`, again };
    }
  }
}
