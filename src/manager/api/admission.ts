// Who may ask anything: only a program or browser of this machine that holds the token. Decided before anything is parsed.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { problem, type Problem } from '../../kit/problem.ts';

export interface Credentials {
  readonly token: string;
  /** What the console's cookie holds: made from the token, so that a cookie that leaks is not the token. */
  readonly session: string;
}

export interface Asked {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
}

/** Why a request is turned away; null = it may pass. `as` says how it showed who it is. */
export type Admission =
  | { readonly ok: true; readonly as: 'bearer' | 'cookie' }
  | { readonly ok: false; readonly status: 401 | 403; readonly problem: Problem };

export const cookieName = 'plumbline';

export function makeToken(): string {
  return randomBytes(32).toString('base64url');
}

export function credentialsOf(token: string): Credentials {
  return { token, session: createHmac('sha256', token).update('plumbline console').digest('base64url') };
}

/**
 * Host is checked against DNS rebinding, Origin against other pages in the same browser. A cookie travels by itself, so that
 * whoever changes something with one must also come from this very page.
 */
export function admit(asked: Asked, port: number, credentials: Credentials): Admission {
  const foreign = foreignness(asked, port);
  if (foreign !== null) return { ok: false, status: 403, problem: foreign };
  const { authorization } = asked.headers;
  if (authorization !== undefined) {
    const bearer = /^Bearer (\S+)$/.exec(authorization)?.[1];
    return bearer !== undefined && isSame(bearer, credentials.token) ? { ok: true, as: 'bearer' } : stranger;
  }
  const cookie = cookieOf(asked.headers.cookie);
  if (cookie === null || !isSame(cookie, credentials.session)) return stranger;
  const changes = asked.method !== 'GET' && asked.method !== 'HEAD';
  if (changes && asked.headers.origin === undefined)
    return {
      ok: false,
      status: 403,
      problem: problem('refused', 'A change from a browser must say which page it comes from.'),
    };
  return { ok: true, as: 'cookie' };
}

const stranger: Admission = {
  ok: false,
  status: 401,
  problem: problem(
    'refused',
    'This manager answers only to who holds its token.',
    'Send `Authorization: Bearer TOKEN` with the text of the file `token` in its state directory.',
  ),
};

/** Null when the request is meant for this manager and comes from no foreign page. */
export function foreignness({ headers }: Pick<Asked, 'headers'>, port: number): Problem | null {
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (headers.host === undefined || !hosts.includes(headers.host.toLowerCase()))
    return problem('refused', 'The request names a host that is not this manager.', `Use http://127.0.0.1:${port}.`);
  const { origin } = headers;
  if (origin !== undefined && !hosts.some((host) => origin.toLowerCase() === `http://${host}`))
    return problem('refused', 'The request comes from a page of another origin.');
  return null;
}

export function holdsToken(given: string, credentials: Credentials): boolean {
  return isSame(given, credentials.token);
}

function cookieOf(header: string | undefined): string | null {
  for (const part of (header ?? '').split(';')) {
    const [name, ...value] = part.trim().split('=');
    if (name === cookieName) return value.join('=');
  }
  return null;
}

/** Compares in a time that says nothing about where two texts differ. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHmac('sha256', 'compare').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
