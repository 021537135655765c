// A session with a Proxmox VE server: an API token with every request, or a ticket that is drawn with a password when first
// needed, drawn anew before it expires and once more when it was refused. Credentials that were refused rest for a while, or
// the account would be locked.
import type { Clock } from '../../kit/clock.ts';
import type { Json } from '../../kit/canonical-json.ts';
import { asObject, asText } from '../../kit/json-object.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { httpsClient, type HttpsClient, type HttpsRequest } from '../https/pinned-request.ts';
import { faulty, type ProxmoxProblem, type ProxmoxResult, readAnswer, withoutFault } from './proxmox-answer.ts';

export type ProxmoxCredentials =
  /** `id`: `USER@REALM!NAME`; `secret`: the UUID that was shown once. */
  | { readonly kind: 'token'; readonly id: string; readonly secret: string }
  /** `user`: `USER@REALM`. */
  | { readonly kind: 'password'; readonly user: string; readonly password: string };

export interface ProxmoxSettings {
  /** `https://HOST:8006`, any node of the cluster. */
  readonly url: string;
  readonly credentials: ProxmoxCredentials;
  /** SHA-256 of the server's certificate; null = the system's authorities vouch for it. */
  readonly fingerprint: string | null;
  /** For each question. */
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
  readonly clock: Clock;
}

export type Fields = Readonly<Record<string, string>>;
/** Names below `/api2/json`, each of which may hold anything but what would change the way. */
export type ApiPath = readonly string[];

export interface ProxmoxClient {
  readonly place: string;
  /** How many tickets were drawn; none with a token. */
  readonly logins: () => number;
  get(path: ApiPath, query?: Fields, timeoutMs?: number): Promise<ProxmoxResult<Json>>;
  change(method: 'POST' | 'PUT' | 'DELETE', path: ApiPath, fields?: Fields): Promise<ProxmoxResult<Json>>;
  close(): void;
}

const refusedRestMs = 60_000;
/** A ticket is good for two hours (pve-access-control). */
const ticketMsMax = 105 * 60_000;
const userForm = /^[^\s:/!@=]{1,60}@[A-Za-z][A-Za-z0-9._-]{1,40}$/;
/** Goes into a header, where the server unescapes it. */
const tokenForm = /^(?=[\x21-\x7e]+$)[^:/!@=%;]{1,60}@[A-Za-z][A-Za-z0-9._-]{1,40}![A-Za-z][A-Za-z0-9._-]{0,40}$/;
const secretForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const pathMax = 1000;

export function proxmoxClient(settings: ProxmoxSettings): Result<ProxmoxClient> {
  const { credentials } = settings;
  if (credentials.kind === 'token' && !tokenForm.test(credentials.id))
    return fail(problem('usage', 'The id of the API token of a Proxmox VE is not of the form USER@REALM!NAME.'));
  if (credentials.kind === 'token' && !secretForm.test(credentials.secret))
    return fail(problem('usage', `The secret of the API token ${credentials.id} is no UUID.`, 'Make the token anew.'));
  if (credentials.kind === 'password' && !userForm.test(credentials.user))
    return fail(
      problem('usage', 'The user of a Proxmox VE is not of the form USER@REALM.', 'Name its realm, as @pve.'),
    );
  const https = httpsClient(settings);
  return https.ok ? ok(new Session(settings, https.value)) : https;
}

interface Ticket {
  readonly headers: Fields;
  readonly drawnAt: number;
}

class Session implements ProxmoxClient {
  readonly place: string;
  readonly #settings: ProxmoxSettings;
  readonly #https: HttpsClient;
  #ticket: Ticket | null = null;
  #logins = 0;
  #drawing: Promise<ProxmoxResult<Ticket>> | null = null;
  #refused: { readonly until: number; readonly why: ProxmoxProblem } | null = null;

  constructor(settings: ProxmoxSettings, https: HttpsClient) {
    this.#settings = settings;
    this.#https = https;
    this.place = https.place;
  }

  logins = (): number => this.#logins;

  async get(path: ApiPath, query: Fields = {}, timeoutMs?: number): Promise<ProxmoxResult<Json>> {
    return await this.#ask('GET', path, query, timeoutMs);
  }

  async change(method: 'POST' | 'PUT' | 'DELETE', path: ApiPath, fields: Fields = {}): Promise<ProxmoxResult<Json>> {
    return await this.#ask(method, path, fields);
  }

  close(): void {
    this.#ticket = null;
    this.#https.close();
  }

  async #ask(
    method: HttpsRequest['method'],
    path: ApiPath,
    fields: Fields,
    timeoutMs?: number,
  ): Promise<ProxmoxResult<Json>> {
    const resting = this.#resting();
    if (resting !== null) return fail(resting);
    const { credentials } = this.#settings;
    if (credentials.kind === 'token') {
      const authorization = `PVEAPIToken=${credentials.id}=${credentials.secret}`;
      const answer = await this.#send(method, path, fields, { authorization }, timeoutMs);
      if (!answer.ok && answer.error.fault === 'session') this.#rest(answer.error);
      return answer;
    }
    const ticket = await this.#session();
    if (!ticket.ok) return ticket;
    const answer = await this.#send(method, path, fields, ticket.value.headers, timeoutMs);
    if (answer.ok || answer.error.fault !== 'session') return answer;
    // Refused for want of a session means that nothing was done, so that asking again does nothing twice.
    if (this.#ticket === ticket.value) this.#ticket = null;
    const again = await this.#session();
    return again.ok ? await this.#send(method, path, fields, again.value.headers, timeoutMs) : again;
  }

  #resting(): ProxmoxProblem | null {
    return this.#refused !== null && this.#settings.clock.monotonic() < this.#refused.until ? this.#refused.why : null;
  }

  #rest(why: ProxmoxProblem): void {
    this.#refused = { until: this.#settings.clock.monotonic() + refusedRestMs, why };
  }

  async #session(): Promise<ProxmoxResult<Ticket>> {
    const age = this.#settings.clock.monotonic() - (this.#ticket?.drawnAt ?? 0);
    if (this.#ticket !== null && age < ticketMsMax) return ok(this.#ticket);
    // Calls that come at once share one login.
    this.#drawing ??= this.#draw().finally(() => {
      this.#drawing = null;
    });
    return await this.#drawing;
  }

  async #draw(): Promise<ProxmoxResult<Ticket>> {
    const { credentials, clock } = this.#settings;
    if (credentials.kind !== 'password') return fail(faulty('session', 'refused', 'A token draws no ticket.'));
    const resting = this.#resting();
    if (resting !== null) return fail(resting);
    const { user, password } = credentials;
    const answer = await this.#send('POST', ['access', 'ticket'], { username: user, password }, {});
    if (!answer.ok) {
      if (answer.error.fault === 'session') this.#rest(answer.error);
      return answer;
    }
    const said = asObject(answer.value);
    const [value, csrf] = [asText(said?.['ticket']), asText(said?.['CSRFPreventionToken'])];
    if (said?.['NeedTFA'] !== undefined) {
      const why = `${this.place} asks for a second factor, which a program has not.`;
      this.#rest(faulty('session', 'refused', why, 'Give Plumbline an API token instead.'));
      return fail(this.#resting() ?? faulty('session', 'refused', why));
    }
    if (value === null || csrf === null || !/^[\x21-\x7e]{1,2000}$/.test(csrf))
      return fail(faulty(null, 'unreadable', `${this.place} gave no ticket after logging in.`));
    this.#refused = null;
    this.#logins += 1;
    const headers = { cookie: `PVEAuthCookie=${encodeURIComponent(value)}`, csrfpreventiontoken: csrf };
    this.#ticket = { headers, drawnAt: clock.monotonic() };
    return ok(this.#ticket);
  }

  async #send(
    method: HttpsRequest['method'],
    path: ApiPath,
    fields: Fields,
    headers: Fields,
    timeoutMs = this.#settings.timeoutMs,
  ): Promise<ProxmoxResult<Json>> {
    const way = apiPath(path);
    if (way === null)
      return fail(faulty(null, 'refused', `${this.place} was asked for a place that has no such name.`));
    const form = new URLSearchParams(fields).toString();
    // The server reads a body with POST and PUT only.
    const inBody = method === 'POST' || method === 'PUT';
    const answered = await this.#https.ask({
      method,
      path: inBody || form === '' ? way : `${way}?${form}`,
      headers: { ...headers, ...(inBody ? { 'content-type': 'application/x-www-form-urlencoded' } : {}) },
      body: inBody ? form : null,
      timeoutMs,
      bodyBytesMax: this.#settings.bodyBytesMax,
    });
    if (!answered.ok) return fail(withoutFault(answered.error));
    const verb = { GET: 'read', POST: 'do', PUT: 'set', PATCH: 'set', DELETE: 'delete' }[method];
    return readAnswer(this.place, `${verb} ${path.join('/').slice(0, 200)}`, answered.value);
  }
}

/** The server unescapes the way before it reads it: a name must not hold what would lead elsewhere, escaped or not. */
function apiPath(path: ApiPath): string | null {
  const wrong = path.some(
    (name) => name === '' || name === '.' || name === '..' || /[\s/\\?#%;]|[^\x20-\x7e]/.test(name),
  );
  const way = `/api2/json/${path.map(encodeURIComponent).join('/')}`;
  return wrong || way.length > pathMax ? null : way;
}
