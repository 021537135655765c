// A session with an NSX manager: logs in when first asked something, keeps the session, logs in once more when it has expired, and
// logs out; or sends the password with each request where sessions are switched off. A password that was refused is not sent again
// for a while, or the account would be locked. Source: NSX-T Data Center REST API, "Authenticate and create a session".
import type { Clock } from '../../kit/clock.ts';
import type { Json } from '../../kit/canonical-json.ts';
import type { JsonObject } from '../../kit/json-object.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { httpsClient, type HttpsAnswer, type HttpsClient, type HttpsRequest } from '../https/pinned-request.ts';
import { lacksCredentials, type NsxResult, readNsxAnswer, withoutStatus } from './nsx-answer.ts';
import type { NsxPath } from './nsx-path.ts';

export interface NsxSettings {
  /** `https://HOST[:PORT]`. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** `session`: the password is sent once for a session; `basic`: with each request. */
  readonly auth: 'session' | 'basic';
  /** SHA-256 of the server's certificate; null = the system's authorities vouch for it. */
  readonly fingerprint: string | null;
  /** For each request. */
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
}

export type NsxMethod = HttpsRequest['method'];

export interface NsxClient {
  readonly place: string;
  /** Logged in before; after an expired session, logged in again and asked once more. Asked again, too, when it was too busy to look. */
  ask(method: NsxMethod, path: NsxPath, body?: Json): Promise<NsxResult<JsonObject>>;
  /** A file, handed over as it comes, as long as `take` wants more; the same session, and asked again for the same reasons. */
  download(path: NsxPath, timeoutMs: number, take: (chunk: Buffer) => boolean): Promise<NsxResult<void>>;
  close(): Promise<void>;
}

/** One exchange with credentials. */
type Exchange<T> = (credentials: Readonly<Record<string, string>>) => Promise<NsxResult<T>>;

interface Session {
  readonly cookie: string;
  readonly token: string;
}

const refusedRestMs = 60_000;
/** NSX answers 429 to more than so many requests a second, without having looked at them. */
const tooMany = 429;
const busyRetriesMax = 3;
const busyRestMs = 250;

export function nsxClient(settings: NsxSettings): Result<NsxClient> {
  const https = httpsClient(settings);
  return https.ok ? ok(new Client(settings, https.value)) : https;
}

class Client implements NsxClient {
  readonly place: string;
  readonly #settings: NsxSettings;
  readonly #https: HttpsClient;
  #session: Session | null = null;
  #loggingIn: Promise<NsxResult<Session>> | null = null;
  #refused: { readonly until: number; readonly why: NsxResult<never> } | null = null;

  constructor(settings: NsxSettings, https: HttpsClient) {
    this.#settings = settings;
    this.#https = https;
    this.place = https.place;
  }

  async ask(method: NsxMethod, path: NsxPath, body?: Json): Promise<NsxResult<JsonObject>> {
    return await this.#untilFree(async (credentials) => await this.#exchange(method, path, credentials, body));
  }

  async download(path: NsxPath, timeoutMs: number, take: (chunk: Buffer) => boolean): Promise<NsxResult<void>> {
    return await this.#untilFree(async (credentials) => {
      const headers = { accept: 'application/octet-stream', ...credentials };
      const answered = await this.#https.download({ path: path.text, headers, timeoutMs }, take);
      if (!answered.ok) return fail(withoutStatus(answered.error));
      const { status } = answered.value;
      if (status >= 200 && status < 300) return ok(undefined);
      const refused = readNsxAnswer(this.place, `GET ${path.text.slice(0, 200)}`, answered.value);
      return refused.ok ? ok(undefined) : refused;
    });
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    if (session !== null) await this.#send('POST', sessionPath('destroy'), sessionHeaders(session), null);
    this.#https.close();
  }

  async #untilFree<T>(exchange: Exchange<T>): Promise<NsxResult<T>> {
    for (let retries = 0; ; retries += 1) {
      const answer = await (this.#settings.auth === 'basic' ? this.#askBasic(exchange) : this.#askIn(exchange));
      if (answer.ok || answer.error.status !== tooMany || retries >= busyRetriesMax) return answer;
      await this.#settings.sleep(busyRestMs * 2 ** retries);
    }
  }

  async #askBasic<T>(exchange: Exchange<T>): Promise<NsxResult<T>> {
    const resting = this.#resting();
    if (resting !== null) return resting;
    const { user, password } = this.#settings;
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    const answer = await exchange({ authorization });
    if (!answer.ok && lacksCredentials(answer.error)) this.#rest(answer);
    return answer;
  }

  async #askIn<T>(exchange: Exchange<T>): Promise<NsxResult<T>> {
    const session = await this.#open();
    if (!session.ok) return session;
    const answer = await exchange(sessionHeaders(session.value));
    if (answer.ok || !lacksCredentials(answer.error)) return answer;
    if (this.#session === session.value) this.#session = null;
    const again = await this.#open();
    return again.ok ? await exchange(sessionHeaders(again.value)) : again;
  }

  async #open(): Promise<NsxResult<Session>> {
    if (this.#session !== null) return ok(this.#session);
    const resting = this.#resting();
    if (resting !== null) return resting;
    // Requests that come at once share one login.
    this.#loggingIn ??= this.#login().finally(() => {
      this.#loggingIn = null;
    });
    return await this.#loggingIn;
  }

  async #login(): Promise<NsxResult<Session>> {
    const { user, password } = this.#settings;
    const form = new URLSearchParams({ j_username: user, j_password: password }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answered = await this.#send('POST', sessionPath('create'), headers, form);
    if (!answered.ok) return fail(withoutStatus(answered.error));
    const { status } = answered.value;
    if (status === 401 || status === 403) {
      const why = problem(
        'refused',
        `${this.place} does not let this user in (status ${status}).`,
        'Check the user, its password, and whether the account is locked.',
      );
      return this.#rest(fail({ ...why, status, code: null }));
    }
    const read = readNsxAnswer(this.place, 'the login', {
      ...answered.value,
      body: status < 300 ? '' : answered.value.body,
    });
    if (!read.ok) return read;
    const session = sessionOf(answered.value);
    if (session === null)
      return fail({ ...problem('unreadable', `${this.place} gave no session after logging in.`), status, code: null });
    this.#refused = null;
    this.#session = session;
    return ok(session);
  }

  #rest(why: NsxResult<never>): NsxResult<never> {
    this.#refused = { until: this.#settings.clock.monotonic() + refusedRestMs, why };
    return why;
  }

  #resting(): NsxResult<never> | null {
    return this.#refused !== null && this.#settings.clock.monotonic() < this.#refused.until ? this.#refused.why : null;
  }

  async #exchange(
    method: NsxMethod,
    path: NsxPath,
    credentials: Readonly<Record<string, string>>,
    body: Json | undefined,
  ): Promise<NsxResult<JsonObject>> {
    const written = body === undefined ? null : JSON.stringify(body);
    const headers = { accept: 'application/json', 'content-type': 'application/json', ...credentials };
    const answered = await this.#send(method, path, headers, written);
    if (!answered.ok) return fail(withoutStatus(answered.error));
    return readNsxAnswer(this.place, `${method} ${path.text.slice(0, 200)}`, answered.value);
  }

  async #send(
    method: NsxMethod,
    path: NsxPath,
    headers: Readonly<Record<string, string>>,
    body: string | null,
  ): Promise<Result<HttpsAnswer>> {
    const { timeoutMs, bodyBytesMax } = this.#settings;
    return await this.#https.ask({ method, path: path.text, headers, body, timeoutMs, bodyBytesMax });
  }
}

function sessionPath(verb: 'create' | 'destroy'): NsxPath {
  return { text: `/api/session/${verb}` };
}

function sessionHeaders({ cookie, token }: Session): Readonly<Record<string, string>> {
  return { cookie, 'x-xsrf-token': token };
}

function sessionOf(answer: HttpsAnswer): Session | null {
  const cookie = answer.setCookie
    .map((each) => each.split(';')[0] ?? '')
    .find((each) => each.startsWith('JSESSIONID='));
  const token = answer.header('x-xsrf-token');
  return cookie === undefined || token === null ? null : { cookie, token };
}
