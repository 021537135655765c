// A mail server that keeps what it is given: SMTP with STARTTLS and AUTH PLAIN, as much as a sender needs (RFC 5321, 3207, 4954).
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

export interface TakenMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly login: string | null;
  readonly isEncrypted: boolean;
}

export interface MailServerOptions {
  readonly certificate: { readonly key: string; readonly cert: string } | null;
  /** `user password`; null = nobody has to sign in. */
  readonly login: string | null;
  /** Replies that take the place of the usual ones, by the first word of the command; `message` = to the end of the data; empty = none. */
  readonly replies: Readonly<Record<string, string>>;
}

export interface MailServer {
  readonly port: number;
  readonly taken: TakenMail[];
  /** Every line that was heard, encrypted or not. */
  readonly heard: string[];
  close(): void;
}

export async function startMailServer(options: Partial<MailServerOptions> = {}): Promise<MailServer> {
  const all: MailServerOptions = { certificate: null, login: null, replies: {}, ...options };
  const taken: TakenMail[] = [];
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    converse(socket, all, taken, heard, false);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    taken,
    heard,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function converse(
  socket: Socket,
  options: MailServerOptions,
  taken: TakenMail[],
  heard: string[],
  isEncrypted: boolean,
): void {
  let rest = '';
  let data: string[] | null = null;
  let login: string | null = null;
  let from = '';
  let to: string[] = [];
  const say = (command: string, usual: string): void => {
    const reply = options.replies[command] ?? usual;
    if (reply !== '') socket.write(`${reply}\r\n`);
  };
  const endOfData = (lines: readonly string[]): void => {
    taken.push({ from, to, text: lines.map((line) => line.replace(/^\.\./, '.')).join('\r\n'), login, isEncrypted });
    data = null;
    say('message', '250 2.0.0 taken');
  };
  const take = (line: string): void => {
    heard.push(line);
    if (data !== null) return line === '.' ? endOfData(data) : void data.push(line);
    const [word = ''] = line.split(/[ :]/);
    switch (word.toUpperCase()) {
      case 'EHLO':
        say(
          'EHLO',
          `250-mail\r\n${options.certificate !== null && !isEncrypted ? '250-STARTTLS\r\n' : ''}250 AUTH PLAIN`,
        );
        return;
      case 'STARTTLS': {
        socket.removeListener('data', hear);
        say('STARTTLS', '220 go ahead');
        if (options.certificate === null) return;
        const secureContext = createSecureContext(options.certificate);
        const secured = new TLSSocket(socket, { isServer: true, secureContext });
        converse(secured, options, taken, heard, true);
        return;
      }
      case 'AUTH': {
        const [, user = '', password = ''] = Buffer.from(line.split(' ')[2] ?? '', 'base64')
          .toString()
          .split('\0');
        login = user;
        return say('AUTH', `${user} ${password}` === options.login ? '235 welcome' : '535 5.7.8 no');
      }
      case 'MAIL':
        from = line;
        to = [];
        return say('MAIL', '250 ok');
      case 'RCPT':
        to.push(line);
        return say('RCPT', '250 ok');
      case 'DATA':
        data = [];
        return say('DATA', '354 go on');
      case 'QUIT':
        return void socket.end('221 bye\r\n');
      default:
        return say(word, '500 what?');
    }
  };
  function hear(chunk: Buffer): void {
    rest += chunk.toString('latin1');
    for (let end = rest.indexOf('\r\n'); end !== -1; end = rest.indexOf('\r\n')) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 2);
      take(line);
    }
  }
  socket.on('data', hear);
  socket.on('error', () => undefined);
  if (!isEncrypted) say('greeting', '220 mail at your service');
}
