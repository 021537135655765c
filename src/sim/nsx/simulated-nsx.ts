// An NSX manager for tests, over HTTPS on 127.0.0.1: logins, sessions that expire, roles, and the paths that it knows; it hangs, drops,
// lies and is busy on demand. Made from the public API reference: no real one could be had to compare it with.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { randomUUID } from 'node:crypto';
import type { Json } from '../../kit/canonical-json.ts';
import { asObject, type JsonObject } from '../../kit/json-object.ts';
import { badRequest, errorReply, NsxError, type NsxReply } from './nsx-error.ts';
import { type NsxFaults, noFaults, type NsxRecord } from './nsx-faults.ts';
import { answerNsx } from './nsx-routes.ts';
import { NsxWorld } from './nsx-world.ts';

export interface SimulatedNsxOptions {
  readonly key: string;
  readonly cert: string;
  readonly user: string;
  readonly password: string;
  /** An auditor may read and nothing else; who has the firewall alone may not even read what belongs
   * to service insertion and packet capture. */
  readonly role?: 'security_engineer' | 'auditor' | 'firewall_only';
}

export interface SimulatedNsx {
  readonly url: string;
  readonly world: NsxWorld;
  readonly faults: NsxFaults;
  readonly record: NsxRecord;
  /** What an idle limit or an administrator does. */
  endSessions(): void;
  stop(): Promise<void>;
}

const bodyBytesMax = 1024 * 1024;
/** What an account that has the firewall alone has no permission for. */
const beyondFirewall = /\/(redirection-policies|service-chains|service-insertion|pktcap)(\/|$)/;
const roots = [
  ['/policy/api/v1/', 'policy'],
  ['/api/v1/', 'inventory'],
] as const;

export async function startSimulatedNsx(options: SimulatedNsxOptions): Promise<SimulatedNsx> {
  const world = new NsxWorld();
  const faults = noFaults();
  const record: NsxRecord = { asked: [], logins: 0, refusals: 0 };
  const sessions = new Map<string, string>();
  const server = createServer(options, (request, response) => {
    void handle({ options, world, faults, record, sessions }, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    world,
    faults,
    record,
    endSessions: () => sessions.clear(),
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

interface Manager {
  readonly options: SimulatedNsxOptions;
  readonly world: NsxWorld;
  readonly faults: NsxFaults;
  readonly record: NsxRecord;
  /** Token by cookie. */
  readonly sessions: Map<string, string>;
}

async function handle(manager: Manager, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { faults, record } = manager;
  const asked = `${request.method} ${request.url}`;
  const text = await bodyOf(request);
  if (faults.hangs?.test(asked) === true) return;
  let reply: NsxReply;
  try {
    reply = replyTo(manager, request, asked, text);
  } catch (thrown) {
    if (!(thrown instanceof NsxError)) throw thrown;
    if (thrown.status === 401 || thrown.code === 403) record.refusals += 1;
    reply = errorReply(thrown);
  }
  const lost = faults.losesAnswers;
  if (lost !== null && lost.times > 0 && lost.of.test(asked)) {
    lost.times -= 1;
    request.socket.destroy();
    return;
  }
  const given = faults.answers;
  if (given?.of.test(asked) === true) {
    response.writeHead(given.status).end(given.body);
    return;
  }
  if (reply.file !== undefined) {
    sendFile(faults, reply.file, response);
    return;
  }
  response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
  response.end(reply.body === null ? '' : JSON.stringify(reply.body));
}

function sendFile(faults: NsxFaults, file: Buffer, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': String(file.length) });
  if (faults.breaksFiles === 0) return void response.end(file);
  faults.breaksFiles -= 1;
  response.write(file.subarray(0, file.length >> 1), () => response.destroy());
}

function replyTo(manager: Manager, request: IncomingMessage, asked: string, text: string): NsxReply {
  const { faults, world, record, options } = manager;
  const url = new URL(request.url ?? '/', 'https://nsx.example');
  const method = request.method ?? 'GET';
  if (method === 'POST' && url.pathname === '/api/session/create') return logIn(manager, text);
  letIn(manager, request);
  if (faults.isBusy > 0) {
    faults.isBusy -= 1;
    throw new NsxError(429, 102, 'Client exceeded request rate of 100 per second.');
  }
  record.asked.push(asked);
  if (method === 'POST' && url.pathname === '/api/session/destroy') {
    manager.sessions.delete(request.headers.cookie ?? '');
    return { status: 200, body: null };
  }
  const [root, api] = roots.find(([start]) => url.pathname.startsWith(start)) ?? [];
  if (root === undefined || api === undefined) throw new NsxError(404, 404, 'Not found');
  if (method !== 'GET') {
    if (options.role === 'auditor')
      throw new NsxError(403, 289, 'Principal does not have permission to perform this operation.');
    faults.beforeWrite?.(asked);
    if (faults.liesAbout?.test(asked) === true) return { status: 200, body: {} };
  }
  if (options.role === 'firewall_only' && beyondFirewall.test(url.pathname))
    throw new NsxError(403, 289, 'Principal does not have permission to perform this operation.');
  const accept = request.headers.accept ?? '';
  const parts = url.pathname.slice(root.length).split('/').map(decodeURIComponent);
  return answerNsx(world, { method, api, parts, query: url.searchParams, body: parsed(text), accept });
}

function logIn({ options, sessions, record }: Manager, text: string): NsxReply {
  record.logins += 1;
  const form = new URLSearchParams(text);
  if (form.get('j_username') !== options.user || form.get('j_password') !== options.password) throw badCredentials();
  const [cookie, token] = [`JSESSIONID=${randomUUID().replaceAll('-', '').toUpperCase()}`, randomUUID()];
  sessions.set(cookie, token);
  return {
    status: 200,
    body: null,
    headers: { 'set-cookie': `${cookie}; Path=/; Secure; HttpOnly`, 'x-xsrf-token': token },
  };
}

function letIn({ options, sessions }: Manager, request: IncomingMessage): void {
  const { authorization, cookie } = request.headers;
  const basic = `Basic ${Buffer.from(`${options.user}:${options.password}`).toString('base64')}`;
  if (authorization !== undefined) {
    if (authorization !== basic) throw badCredentials();
    return;
  }
  const token = sessions.get(cookie ?? '');
  if (token === undefined) throw new NsxError(401, 401, 'The session has expired.');
  if (request.headers['x-xsrf-token'] !== token) throw new NsxError(403, 98, 'Bad XSRF token.');
}

function badCredentials(): NsxError {
  return new NsxError(403, 403, 'The credentials were incorrect or the account specified has been locked.');
}

function parsed(text: string): JsonObject | null {
  if (text === '') return null;
  try {
    const body = asObject(JSON.parse(text) as Json);
    if (body !== null) return body;
  } catch {
    // Said below.
  }
  throw badRequest('The body is no JSON object.');
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyBytesMax) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
