// One message to one mail server (RFC 5321): greeted, encrypted (RFC 3207) before anything is said, signed in (RFC 4954, PLAIN)
// only when encrypted, and handed over. Every reply is bounded, the whole takes no longer than it is given.
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectSecure, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { causeOf } from '../../kit/problem.ts';

export interface MailServer {
  readonly host: string;
  readonly port: number;
  /** starttls = encrypted before anything else, or not at all; implicit = from the first byte (RFC 8314). */
  readonly tls: 'starttls' | 'implicit' | 'none';
  /** SHA-256 of its certificate in upper case without colons; null = the system's authorities vouch for it. */
  readonly fingerprint: string | null;
  /** Both printable ASCII. */
  readonly credentials: { readonly user: string; readonly password: string } | null;
  /** How we greet it. */
  readonly greeting: string;
}

/** Addresses hold no white space, no angle bracket and nothing beyond ASCII; the text is ASCII in lines of less than 1000 with CRLF. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
}

export type MailOutcome =
  | { readonly kind: 'accepted'; readonly reply: string }
  | { readonly kind: 'refused'; readonly reply: string; readonly again: boolean }
  /** Its end was sent, and no reply to it came. */
  | { readonly kind: 'silent'; readonly why: string };

interface Reply {
  readonly code: number;
  readonly text: string;
}

class Refusal extends Error {
  readonly again: boolean;

  constructor(message: string, again: boolean) {
    super(message);
    this.again = again;
  }
}

const replyBytesMax = 16 * 1024;

/** Never throws. */
export async function sendMail(
  server: MailServer,
  mail: Mail,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<MailOutcome> {
  const limit = AbortSignal.any([AbortSignal.timeout(timeoutMs), signal]);
  let line: Line | null = null;
  let isHandedOver = false;
  try {
    if (![mail.from, ...mail.to].every((address) => /^[\x21-\x7e]+$/.test(address) && !/[<>]/.test(address)))
      throw new Refusal('an address holds what none may hold', false);
    line = new Line(await opened(server, limit), limit);
    await expect(line.reply(), 220, 'its greeting');
    let offers = await expect(line.ask(`EHLO ${server.greeting}`), 250, 'EHLO');
    if (server.tls === 'starttls') {
      if (!/^STARTTLS\b/im.test(offers.text)) throw new Refusal('it offers no STARTTLS', false);
      await expect(line.ask('STARTTLS'), 220, 'STARTTLS');
      // What came before the encryption may have been put there by somebody else.
      line = new Line(await secured(server, { socket: line.release() }, limit), limit);
      offers = await expect(line.ask(`EHLO ${server.greeting}`), 250, 'EHLO');
    }
    if (server.credentials !== null) {
      if (server.tls === 'none') throw new Refusal('no password is sent unencrypted', false);
      const { user, password } = server.credentials;
      const said = Buffer.from(`\0${user}\0${password}`).toString('base64');
      await expect(line.ask(`AUTH PLAIN ${said}`), 235, 'AUTH');
    }
    await expect(line.ask(`MAIL FROM:<${mail.from}>`), 250, 'MAIL FROM');
    for (const to of mail.to) await expect(line.ask(`RCPT TO:<${to}>`), 250, `RCPT TO:<${to}>`);
    await expect(line.ask('DATA'), 354, 'DATA');
    isHandedOver = true;
    // A line that is a dot alone would end the message (RFC 5321, 4.5.2).
    const accepted = await expect(line.ask(`${mail.text.replace(/^\./gm, '..')}\r\n.`), 250, 'the message');
    line.say('QUIT');
    return { kind: 'accepted', reply: accepted.text };
  } catch (thrown) {
    if (thrown instanceof Refusal) return { kind: 'refused', reply: thrown.message, again: thrown.again };
    const why = signal.aborted
      ? 'it was given up'
      : limit.aborted
        ? `no reply came within ${timeoutMs} ms`
        : causeOf(thrown);
    return isHandedOver ? { kind: 'silent', why } : { kind: 'refused', reply: why, again: true };
  } finally {
    line?.close();
  }
}

async function expect(asked: Promise<Reply>, code: number, what: string): Promise<Reply> {
  const reply = await asked;
  if (reply.code === code || (code === 250 && reply.code === 251)) return reply;
  throw new Refusal(`it answered ${what} with ${reply.code} ${reply.text.slice(0, 300)}`, reply.code < 500);
}

async function opened(server: MailServer, limit: AbortSignal): Promise<Socket> {
  const { host, port } = server;
  if (server.tls === 'implicit') return await secured(server, { host, port }, limit);
  const socket = connectPlain({ host, port });
  await until(socket, 'connect', limit);
  return socket;
}

async function secured(server: MailServer, to: ConnectionOptions, limit: AbortSignal): Promise<TLSSocket> {
  const { host, fingerprint } = server;
  const name = /^[0-9.]+$|:/.test(host) ? {} : { servername: host };
  // An address stands in the certificate or is pinned; names are checked by Node itself.
  const socket = connectSecure({ ...to, host, ...name, rejectUnauthorized: fingerprint === null });
  await until(socket, 'secureConnect', limit);
  const shown = socket.getPeerCertificate().fingerprint256?.replaceAll(':', '') ?? 'none';
  if (fingerprint === null || shown === fingerprint) return socket;
  socket.destroy();
  throw new Refusal(
    `it shows another certificate than the one that was pinned; its SHA-256 is ${shown.toLowerCase()}`,
    false,
  );
}

async function until(socket: Socket, event: 'connect' | 'secureConnect', limit: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = (): void => {
    reject(new Error('given up'));
    socket.destroy();
  };
  socket.once(event, resolve);
  socket.on('error', reject);
  socket.once('close', () => reject(new Error('the connection was closed')));
  limit.addEventListener('abort', giveUp, { once: true });
  if (limit.aborted) giveUp();
  await promise;
}

/** The lines of one connection: one command, one reply. */
class Line {
  readonly #socket: Socket;
  readonly #limit: AbortSignal;
  #heard = '';
  #wake: () => void = () => undefined;
  #failure: Error | null = null;
  readonly #hear = (chunk: Buffer): void => {
    this.#heard += chunk.toString('latin1');
    if (this.#heard.length > replyBytesMax) this.#fail(new Error(`its reply is longer than ${replyBytesMax} bytes`));
    this.#wake();
  };

  constructor(socket: Socket, limit: AbortSignal) {
    this.#socket = socket;
    this.#limit = limit;
    socket.on('data', this.#hear);
    socket.on('error', (thrown) => this.#fail(thrown));
    socket.on('close', () => this.#fail(new Error('the connection was closed')));
    limit.addEventListener('abort', () => this.#fail(new Error('given up')), { once: true });
  }

  async ask(command: string): Promise<Reply> {
    this.say(command);
    return await this.reply();
  }

  say(command: string): void {
    this.#socket.write(`${command}\r\n`);
  }

  async reply(): Promise<Reply> {
    for (;;) {
      // The last line of a reply has a space behind its code, the others a dash (RFC 5321, 4.2.1).
      const whole = /^((?:[0-9]{3}-[^\n]*\n)*)([0-9]{3})(?: ([^\n]*))?\n/.exec(this.#heard);
      if (whole !== null) {
        this.#heard = this.#heard.slice(whole[0].length);
        const text = whole[0]
          .replace(/^[0-9]{3}[- ]?/gm, '')
          .replaceAll('\r', '')
          .trim();
        return { code: Number(whole[2]), text };
      }
      if (this.#limit.aborted || this.#failure !== null) throw this.#failure ?? new Error('given up');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The socket itself, for encryption; what was heard and not yet asked for is refused. */
  release(): Socket {
    if (this.#heard !== '') throw new Refusal('it said more than it was asked before the encryption', false);
    this.#socket.off('data', this.#hear);
    return this.#socket;
  }

  close(): void {
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), 1000).unref();
  }

  #fail(thrown: Error): void {
    this.#failure ??= thrown;
    this.#wake();
  }
}
