// HTTPS to a management server that acts on VMs: nothing is sent, no credential either, before its certificate is the one that
// was pinned; answers are bounded in time and size.
import { Agent, request, type RequestOptions } from 'node:https';
import type { LookupFunction } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { causeOf, problem, type Problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

export interface HttpsServer {
  /** `https://HOST[:PORT]`; a path, query or user part is refused. */
  readonly url: string;
  /** SHA-256 of its certificate, hexadecimal with or without colons; null = a certificate the system's authorities vouch for. */
  readonly fingerprint: string | null;
}

export interface HttpsRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** From the first slash; whatever stands in it has been escaped. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** For connecting, sending and the whole answer together. */
  readonly timeoutMs: number;
  readonly bodyBytesMax: number;
  readonly signal?: AbortSignal;
}

export interface HttpsAnswer {
  readonly status: number;
  /** What stands behind the status on its line; older Proxmox VE says its errors nowhere else. */
  readonly reason: string;
  readonly body: string;
  readonly setCookie: readonly string[];
  /** One header by its lower-case name. */
  header(name: string): string | null;
}

/** A file that may be too large to be held at once. */
export type HttpsDownload = Pick<HttpsRequest, 'path' | 'headers' | 'timeoutMs' | 'signal'>;

export interface HttpsClient {
  /** What a person reads: the address without anything secret. */
  readonly place: string;
  ask(asked: HttpsRequest): Promise<Result<HttpsAnswer>>;
  /**
   * Hands the body over as it comes, as long as `take` wants more; the answer's own body is empty then. What is no 2xx is an answer
   * as to any question, and nothing of it is handed over. A body that breaks off is `interrupted`.
   */
  download(asked: HttpsDownload, take: (chunk: Buffer) => boolean): Promise<Result<HttpsAnswer>>;
  close(): void;
}

const socketsMax = 8;
const handshakeMsMax = 10_000;
/** Of what a server says when it does not hand a file out. */
const refusalBytesMax = 64 * 1024;

export function httpsClient(server: HttpsServer): Result<HttpsClient> {
  const url = URL.parse(server.url);
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    return fail(problem('usage', 'The address of a platform is not https://HOST[:PORT].', 'Secrets belong in a file.'));
  if (url.pathname !== '/')
    return fail(problem('usage', `${url.origin} is given with a path.`, 'Leave out what follows the host and port.'));
  const pin = server.fingerprint === null ? null : server.fingerprint.replaceAll(':', '').toUpperCase();
  if (pin !== null && !/^[0-9A-F]{64}$/.test(pin))
    return fail(problem('usage', `The fingerprint of ${url.origin} is not a SHA-256 of 64 hexadecimal digits.`));
  const agent = new PinningAgent(pin, url.host);
  return ok({
    place: url.origin,
    ask: (asked) => exchange(agent, url, asked, null),
    download: (asked, take) =>
      exchange(agent, url, { ...asked, method: 'GET', body: null, bodyBytesMax: refusalBytesMax }, take),
    close: () => agent.destroy(),
  });
}

export class CertificateRefused extends Error {}

/** Hands a connection over only when its certificate has been looked at. */
export class PinningAgent extends Agent {
  readonly #pin: string | null;
  readonly #host: string;
  readonly #lookup: LookupFunction | undefined;

  /** `pin` in upper case without colons. `lookup` = how its name becomes addresses; the system's way when left out. */
  constructor(pin: string | null, host: string, lookup?: LookupFunction) {
    // A resumed session would show no certificate.
    super({ keepAlive: true, maxSockets: socketsMax, maxCachedSessions: 0 });
    this.#pin = pin;
    this.#host = host;
    this.#lookup = lookup;
  }

  override createConnection(
    _options: RequestOptions,
    handOver?: (error: Error | null, socket: TLSSocket) => void,
  ): undefined {
    const { hostname, port } = new URL(`https://${this.#host}`);
    const host = hostname.replace(/^\[|\]$/g, '');
    const socket = connect({
      host,
      port: Number(port || 443),
      ...(/^[0-9.]+$|:/.test(host) ? {} : { servername: host }),
      rejectUnauthorized: this.#pin === null,
      ALPNProtocols: ['http/1.1'],
      ...(this.#lookup === undefined ? {} : { lookup: this.#lookup }),
    });
    let handed = false;
    const end = (error: Error | null): void => {
      if (handed) return;
      handed = true;
      if (error !== null) socket.destroy();
      handOver?.(error, socket);
    };
    socket.setTimeout(handshakeMsMax, () => end(new Error('no connection was made in time')));
    socket.once('error', end);
    socket.once('close', () => end(new Error('the connection was closed')));
    socket.once('secureConnect', () => {
      socket.setTimeout(0);
      end(this.#objection(socket));
    });
    return undefined;
  }

  #objection(socket: TLSSocket): Error | null {
    if (this.#pin === null) return null;
    const shown = socket.getPeerCertificate().fingerprint256?.replaceAll(':', '') ?? 'none';
    return shown === this.#pin ? null : new CertificateRefused(shown.toLowerCase());
  }
}

/** `take` null = the body is held and is part of the answer. */
async function exchange(
  agent: Agent,
  url: URL,
  asked: HttpsRequest,
  take: ((chunk: Buffer) => boolean) | null,
): Promise<Result<HttpsAnswer>> {
  const timeout = AbortSignal.timeout(asked.timeoutMs);
  const signal = asked.signal === undefined ? timeout : AbortSignal.any([timeout, asked.signal]);
  const { promise, resolve } = Promise.withResolvers<Result<HttpsAnswer>>();
  const body = asked.body === null ? null : Buffer.from(asked.body);
  const length = body === null ? {} : { 'content-length': String(body.length) };
  const sent = request(
    {
      agent,
      host: url.hostname,
      port: url.port || 443,
      method: asked.method,
      path: asked.path,
      headers: { 'user-agent': 'plumbline', ...asked.headers, ...length },
      signal,
    },
    (answer) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const status = answer.statusCode ?? 0;
      const isFile = take !== null && status >= 200 && status < 300;
      const end = (): void =>
        resolve(
          ok({
            status,
            reason: answer.statusMessage ?? '',
            body: Buffer.concat(chunks).toString(),
            setCookie: answer.headers['set-cookie'] ?? [],
            header: (name) => [answer.headers[name] ?? null].flat()[0] ?? null,
          }),
        );
      answer.on('data', (chunk: Buffer) => {
        if (isFile) {
          if (take(chunk)) return;
          end();
          sent.destroy();
          return;
        }
        size += chunk.length;
        chunks.push(chunk);
        if (size <= asked.bodyBytesMax) return;
        resolve(fail(tooLarge(url, asked.bodyBytesMax)));
        sent.destroy();
      });
      answer.on('error', (thrown) => resolve(fail(noAnswer(url, thrown, timeout, asked))));
      answer.on('end', end);
    },
  );
  const giveUp = (thrown: Error): void => resolve(fail(noAnswer(url, thrown, timeout, asked)));
  sent.on('error', giveUp);
  // A request that has no connection yet is not told of the signal.
  const end = (): void => giveUp(new Error('given up'));
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  sent.end(body ?? undefined);
  return await promise;
}

function tooLarge(url: URL, bytesMax: number): Problem {
  return problem('unreadable', `${url.origin} answered with more than ${bytesMax} bytes, which were not read.`);
}

function noAnswer(url: URL, thrown: Error, timeout: AbortSignal, { timeoutMs, signal }: HttpsRequest): Problem {
  if (thrown instanceof CertificateRefused)
    return problem(
      'refused',
      `${url.origin} shows another certificate than the one that was pinned; its SHA-256 is ${thrown.message}.`,
      'If it was changed on purpose, write the new fingerprint into the configuration; otherwise somebody is in between.',
    );
  if (signal?.aborted === true) return problem('interrupted', `What was asked of ${url.origin} was given up.`);
  if (timeout.aborted)
    return problem('interrupted', `${url.origin} did not answer within ${timeoutMs} ms.`, 'Look whether it is well.');
  return problem(
    'interrupted',
    `${url.origin} did not answer: ${causeOf(thrown).slice(0, 200)}.`,
    'Check its address, that it runs and can be reached, and its certificate or fingerprint.',
  );
}
