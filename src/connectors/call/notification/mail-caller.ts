// Tells an alarm by e-mail. A mail server that accepted it has promised to deliver it; more is never known.
import { sayProblem } from '../../../kit/problem.ts';
import { type MailServer, sendMail } from '../../../protocols/smtp/send-mail.ts';
import { type Caller, type CallOrder, type CallOutcome, nothingToEnd } from '../caller.ts';
import { plainText } from '../plain-text.ts';
import { readSecret } from '../secret-file.ts';
import { mailText } from './mail-text.ts';
import { wordsFor } from './words.ts';

export interface MailSettings {
  readonly server: Omit<MailServer, 'credentials'>;
  readonly login: { readonly user: string; readonly passwordFile: string } | null;
  readonly from: string;
  readonly to: readonly string[];
  readonly timeoutMs: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

export function makeMailCaller(settings: MailSettings): Caller {
  const { server, login } = settings;
  return {
    kind: 'notification',
    place: `mail by ${server.host}:${server.port}`,
    canEnd: false,
    async obstacle() {
      const password = login === null ? null : await readSecret(login.passwordFile);
      return password === null || password.ok ? null : sayProblem(password.error);
    },
    call: async (order) => await send(settings, order),
    end: nothingToEnd,
  };
}

async function send(settings: MailSettings, { key, facts, signal }: CallOrder): Promise<CallOutcome> {
  const { server, login, from, to, timeoutMs, now } = settings;
  const password = login === null ? null : await readSecret(login.passwordFile);
  if (password?.ok === false) return { state: 'failed', evidence: sayProblem(password.error), again: true };
  const credentials = login === null || password === null ? null : { user: login.user, password: password.value };
  const id = `${key.replaceAll(/[^A-Za-z0-9]/g, '')}@${from.slice(from.indexOf('@') + 1)}`;
  const text = mailText(wordsFor(facts), { from, to, id, atMs: now() });
  const sent = await sendMail({ ...server, credentials }, { from, to, text }, timeoutMs, signal);
  const place = `${server.host}:${server.port}`;
  switch (sent.kind) {
    case 'accepted':
      return { state: 'done', evidence: `${place} took the mail: ${plainText(sent.reply, 300)}` };
    case 'refused':
      return { state: 'failed', evidence: `${place}: ${plainText(sent.reply, 500)}`, again: sent.again };
    case 'silent':
      return { state: 'unconfirmed', evidence: `${place}: the mail was sent, and ${plainText(sent.why, 300)}` };
  }
}
