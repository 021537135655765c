// A session with a vCenter or an ESXi host: logs in when first asked something, keeps the session, logs in once more when it
// has expired, and logs out. A password that was refused is not tried again for a while, or the account would be locked.
import type { Clock } from '../../kit/clock.ts';
import { problem, type Problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { httpsClient, type HttpsAnswer, type HttpsClient, type HttpsRequest } from '../https/pinned-request.ts';
import { childOf, type XmlElement } from '../xml/xml-element.ts';
import { xml, type XmlText } from '../xml/xml-text.ts';
import { callText, type ManagedObject, readAnswer, readReference, typeOf, type VimResult } from './vim-message.ts';

export interface VimSettings {
  /** `https://HOST[:PORT]`. */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  /** SHA-256 of the server's certificate; null = the system's authorities vouch for it. */
  readonly fingerprint: string | null;
  /** For each call; a call that waits on the other side says how much longer. */
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
  readonly clock: Clock;
}

/** The objects that everything begins from. */
export interface ServiceContent {
  readonly rootFolder: ManagedObject;
  readonly propertyCollector: ManagedObject;
  readonly viewManager: ManagedObject;
  readonly sessionManager: ManagedObject;
  /** Absent on an ESXi host. */
  readonly customFieldsManager: ManagedObject | null;
}

export interface Waiting {
  readonly extraMs?: number;
  readonly signal?: AbortSignal;
}

export interface VimClient {
  readonly place: string;
  /** Rises with each login: objects of an older session (views, filters, collectors) are gone. */
  readonly logins: () => number;
  content(): Promise<VimResult<ServiceContent>>;
  /** The answer's element. Logged in before; after an expired session, logged in again and asked once more. */
  call(
    method: string,
    on: ManagedObject,
    args: readonly (XmlText | null)[],
    waiting?: Waiting,
  ): Promise<VimResult<XmlElement>>;
  /** The REST side of a vCenter, behind the same certificate; no session of its own. */
  rest(asked: Pick<HttpsRequest, 'method' | 'path' | 'headers' | 'body'>): Promise<Result<HttpsAnswer>>;
  readonly credentials: { readonly user: string; readonly password: string };
  close(): Promise<void>;
}

const serviceInstance: ManagedObject = { type: 'ServiceInstance', id: 'ServiceInstance' };
const sessionCookie = 'vmware_soap_session';
const refusedLoginRestMs = 60_000;

export function vimClient(settings: VimSettings): Result<VimClient> {
  const https = httpsClient(settings);
  return https.ok ? ok(new Session(settings, https.value)) : https;
}

class Session implements VimClient {
  readonly place: string;
  readonly credentials: { readonly user: string; readonly password: string };
  readonly #settings: VimSettings;
  readonly #https: HttpsClient;
  #cookie: string | null = null;
  #content: ServiceContent | null = null;
  #logins = 0;
  #loggingIn: Promise<VimResult<ServiceContent>> | null = null;
  #refused: { readonly until: number; readonly why: VimResult<never> } | null = null;

  constructor(settings: VimSettings, https: HttpsClient) {
    this.#settings = settings;
    this.#https = https;
    this.place = https.place;
    this.credentials = { user: settings.user, password: settings.password };
  }

  logins = (): number => this.#logins;

  async content(): Promise<VimResult<ServiceContent>> {
    if (this.#content !== null && this.#cookie !== null) return ok(this.#content);
    // Calls that come at once share one login.
    this.#loggingIn ??= this.#login().finally(() => {
      this.#loggingIn = null;
    });
    return await this.#loggingIn;
  }

  async call(
    method: string,
    on: ManagedObject,
    args: readonly (XmlText | null)[],
    waiting: Waiting = {},
  ): Promise<VimResult<XmlElement>> {
    const content = await this.content();
    if (!content.ok) return content;
    const used = this.#logins;
    const answer = await this.#ask(method, on, args, waiting);
    // Refused for want of a session means that nothing was done, so that asking again does nothing twice.
    if (answer.ok ? !lacksSession(answer.value) : answer.error.fault !== 'NotAuthenticated') return answer;
    if (this.#logins === used) this.#cookie = null;
    const again = await this.content();
    return again.ok ? await this.#ask(method, on, args, waiting) : again;
  }

  async rest(asked: Pick<HttpsRequest, 'method' | 'path' | 'headers' | 'body'>): Promise<Result<HttpsAnswer>> {
    const { timeoutMs, bodyBytesMax } = this.#settings;
    return await this.#https.ask({ ...asked, timeoutMs, bodyBytesMax });
  }

  async close(): Promise<void> {
    if (this.#cookie !== null && this.#content !== null) await this.#ask('Logout', this.#content.sessionManager, []);
    this.#cookie = null;
    this.#https.close();
  }

  async #login(): Promise<VimResult<ServiceContent>> {
    const now = this.#settings.clock.monotonic();
    if (this.#refused !== null && now < this.#refused.until) return this.#refused.why;
    this.#cookie = null;
    const said = await this.#ask('RetrieveServiceContent', serviceInstance, []);
    if (!said.ok) return said;
    const content = readContent(childOf(said.value, 'returnval'));
    if (content === null)
      return fail({ ...problem('unreadable', `${this.place} does not say where its parts are.`), fault: null });
    const { user, password } = this.#settings;
    const login = await this.#ask('Login', content.sessionManager, [xml('userName', user), xml('password', password)]);
    if (!login.ok) {
      this.#refused = login.error.fault === 'InvalidLogin' ? { until: now + refusedLoginRestMs, why: login } : null;
      return login;
    }
    if (this.#cookie === null)
      return fail({ ...problem('unreadable', `${this.place} gave no session after logging in.`), fault: null });
    this.#refused = null;
    this.#content = content;
    this.#logins += 1;
    return ok(content);
  }

  async #ask(
    method: string,
    on: ManagedObject,
    args: readonly (XmlText | null)[],
    { extraMs = 0, signal }: Waiting = {},
  ): Promise<VimResult<XmlElement>> {
    const answered = await this.#https.ask({
      method: 'POST',
      path: '/sdk',
      headers: {
        'content-type': 'text/xml; charset=utf-8',
        soapaction: '"urn:vim25/6.5"',
        ...(this.#cookie === null ? {} : { cookie: this.#cookie }),
      },
      body: callText(method, on, args),
      timeoutMs: this.#settings.timeoutMs + extraMs,
      bodyBytesMax: this.#settings.bodyBytesMax,
      ...(signal === undefined ? {} : { signal }),
    });
    if (!answered.ok) return fail(withoutFault(answered.error));
    for (const cookie of answered.value.setCookie) {
      const value = cookie.split(';')[0] ?? '';
      if (value.startsWith(`${sessionCookie}=`)) this.#cookie = value;
    }
    return readAnswer(this.place, method, answered.value.status, answered.value.body);
  }
}

/** Properties may be asked for without a session: then there is an answer, and each of them is missing for want of one. */
function lacksSession(answer: XmlElement): boolean {
  const first = childOf(childOf(childOf(answer, 'returnval'), 'objects'), 'missingSet');
  const fault = childOf(childOf(first, 'fault'), 'fault');
  return fault !== null && typeOf(fault) === 'NotAuthenticated';
}

function withoutFault(why: Problem): Problem & { readonly fault: null } {
  return { ...why, fault: null };
}

function readContent(said: XmlElement | null): ServiceContent | null {
  const part = (name: string): ManagedObject | null => readReference(childOf(said, name));
  const rootFolder = part('rootFolder');
  const propertyCollector = part('propertyCollector');
  const viewManager = part('viewManager');
  const sessionManager = part('sessionManager');
  if (rootFolder === null || propertyCollector === null || viewManager === null || sessionManager === null) return null;
  return {
    rootFolder,
    propertyCollector,
    viewManager,
    sessionManager,
    customFieldsManager: part('customFieldsManager'),
  };
}
