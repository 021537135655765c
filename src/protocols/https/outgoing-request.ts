// One request to somebody else's HTTP server: no redirect is followed, time and answer are bounded, nothing is sent before the
// certificate is the one that was pinned, and what went wrong says whether the server may have heard it.
import { Agent as PlainAgent, request as requestPlain, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestSecure } from 'node:https';
import { causeOf } from '../../kit/problem.ts';
import { CertificateRefused, PinningAgent } from './pinned-request.ts';
import { AddressRefused, publicLookup } from './private-addresses.ts';

export interface OutgoingRequest {
  readonly method: string;
  /** `http:` or `https:`, without user part. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** For connecting, sending and the whole answer together. */
  readonly timeoutMs: number;
  /** The rest of a longer answer is not read. */
  readonly answerBytesMax: number;
  /** SHA-256 of the server's certificate, hexadecimal with or without colons; null = the system's authorities vouch for it. */
  readonly fingerprint: string | null;
  /** A name may lead to private addresses. An address, or `localhost`, that stands in the URL itself always may. */
  readonly privateAddresses: boolean;
  readonly signal: AbortSignal;
}

export type OutgoingAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly body: string; readonly isCut: boolean }
  /** Nothing was sent; `again` = it may be reached later. */
  | { readonly kind: 'unsent'; readonly why: string; readonly again: boolean }
  /** It was sent, or a part of it, and no answer came: whether it was heard is not known. */
  | { readonly kind: 'silent'; readonly why: string };

/** Never throws. */
export async function sendOutgoing(asked: OutgoingRequest): Promise<OutgoingAnswer> {
  const { url, timeoutMs } = asked;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([timeout, asked.signal]);
  const agent = agentFor(asked);
  const { promise, resolve } = Promise.withResolvers<OutgoingAnswer>();
  let mayBeSent = false;
  let finish: (() => void) | null = null;
  const giveUp = (thrown: unknown): void => {
    if (finish !== null) return finish();
    if (thrown instanceof AddressRefused) return resolve({ kind: 'unsent', why: inside(url, thrown), again: false });
    if (thrown instanceof CertificateRefused)
      return resolve({ kind: 'unsent', why: foreign(url, thrown), again: false });
    const why = asked.signal.aborted
      ? 'it was given up'
      : timeout.aborted
        ? `${url.host} did not answer within ${timeoutMs} ms`
        : `${url.host} did not answer: ${causeOf(thrown).slice(0, 200)}`;
    resolve(mayBeSent ? { kind: 'silent', why } : { kind: 'unsent', why, again: true });
  };
  let sent: ClientRequest | null = null;
  try {
    sent = begin(asked, agent, (answer) => {
      finish = readAnswer(answer, asked.answerBytesMax, resolve);
    });
    sent.on('socket', (socket) => {
      if (socket.connecting) socket.once('connect', () => (mayBeSent = true));
      else mayBeSent = true;
    });
    sent.on('error', giveUp);
    signal.addEventListener('abort', () => giveUp(new Error('given up')), { once: true });
    if (signal.aborted) giveUp(new Error('given up'));
    else sent.end(asked.body ?? undefined);
  } catch (thrown) {
    // What Node refuses to put into a request is never sent.
    resolve({ kind: 'unsent', why: causeOf(thrown).slice(0, 200), again: false });
  }
  const answer = await promise;
  sent?.destroy();
  agent.destroy();
  return answer;
}

function agentFor({ url, fingerprint, privateAddresses }: OutgoingRequest): PlainAgent | PinningAgent {
  const lookup = privateAddresses || url.hostname === 'localhost' ? undefined : publicLookup;
  if (url.protocol !== 'https:')
    return new PlainAgent({ keepAlive: false, ...(lookup === undefined ? {} : { lookup }) });
  return new PinningAgent(fingerprint?.replaceAll(':', '').toUpperCase() ?? null, url.host, lookup);
}

function begin(asked: OutgoingRequest, agent: PlainAgent | PinningAgent, answered: (it: IncomingMessage) => void) {
  const { url, method, headers, body } = asked;
  const isSecure = url.protocol === 'https:';
  const options = {
    agent,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port || (isSecure ? 443 : 80),
    method,
    path: `${url.pathname}${url.search}`,
    headers: {
      host: url.host,
      'user-agent': 'plumbline',
      ...headers,
      ...(body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    },
  };
  return isSecure ? requestSecure(options, answered) : requestPlain(options, answered);
}

/**
 * The status is the answer: a body that breaks off, or is longer than is read, leaves it standing. The value ends the reading
 * with what has come.
 */
function readAnswer(answer: IncomingMessage, bytesMax: number, resolve: (it: OutgoingAnswer) => void): () => void {
  const chunks: Buffer[] = [];
  let size = 0;
  const end = (isCut: boolean): void => {
    const body = Buffer.concat(chunks).subarray(0, bytesMax).toString();
    resolve({ kind: 'answered', status: answer.statusCode ?? 0, body, isCut });
  };
  answer.on('data', (chunk: Buffer) => {
    size += chunk.length;
    chunks.push(chunk);
    if (size > bytesMax) end(true);
  });
  answer.on('end', () => end(false));
  answer.on('error', () => end(true));
  answer.on('close', () => end(true));
  return () => end(true);
}

function inside(url: URL, { message }: Error): string {
  return `${url.hostname} leads to ${message}, which is private; if that is meant, say privateAddresses: true`;
}

function foreign(url: URL, { message }: Error): string {
  return `${url.host} shows another certificate than the one that was pinned; its SHA-256 is ${message}`;
}
