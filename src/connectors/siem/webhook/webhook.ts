// Tells alarms and remediations to an HTTP receiver as signed JSON.
import { createHmac } from 'node:crypto';
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { Notice, SiemConnector } from '../notice.ts';

export interface WebhookSettings {
  readonly url: string;
  readonly secret: string | null;
  readonly timeoutMs: number;
}

/** `sha256=` and the HMAC of the body in hex, as GitHub's webhooks do; a receiver compares it in constant time. */
export const signatureHeader = 'x-plumbline-signature';

export function makeWebhook(settings: WebhookSettings): SiemConnector {
  // Credentials may stand in a URL's user part or query; neither belongs in a log.
  const { origin, pathname } = new URL(settings.url);
  const place = `${origin}${pathname}`;
  return { place, send: async (notice) => await post(settings, place, notice), close: () => undefined };
}

async function post(settings: WebhookSettings, place: string, notice: Notice): Promise<Result<null>> {
  const body = JSON.stringify(notice);
  let response: Response;
  try {
    response = await fetch(settings.url, {
      method: 'POST',
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(settings.timeoutMs),
      headers: {
        'content-type': 'application/json',
        'user-agent': 'plumbline',
        ...(settings.secret === null ? {} : { [signatureHeader]: signatureOf(body, settings.secret) }),
      },
    });
  } catch {
    return fail(problem('failed', `${place} did not answer.`, 'Check that the receiver runs and can be reached.'));
  }
  // Nobody reads the answer, but an unread body would hold its connection.
  await response.body?.cancel();
  if (response.ok) return ok(null);
  const again = response.status >= 500 || response.status === 429 || response.status === 408;
  return fail(
    problem(
      again ? 'failed' : 'refused',
      `${place} answered with HTTP ${response.status}.`,
      again ? 'It is tried again.' : 'Check its address and what it accepts.',
    ),
  );
}

export function signatureOf(body: string, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}
