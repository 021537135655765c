// Serves the console: a page and what belongs to it, a strict content security policy, and the cookie that stands for the token in a browser.
import { readFile } from 'node:fs/promises';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { problem } from '../../kit/problem.ts';
import { cookieName, foreignness, holdsToken, type Credentials } from './admission.ts';

const folder = new URL('../../../web/', import.meta.url);

const files = {
  '/': { name: 'index.html', type: 'text/html; charset=utf-8' },
  '/console.css': { name: 'console.css', type: 'text/css; charset=utf-8' },
  '/icon.svg': { name: 'icon.svg', type: 'image/svg+xml' },
  '/console.js': { name: 'console.js', type: 'text/javascript; charset=utf-8' },
} as const;

/** Nothing but this origin's own files; whatever a guest is called, it cannot become script. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function serveConsole(app: FastifyInstance, credentials: Credentials): void {
  for (const [url, file] of Object.entries(files))
    app.route({
      method: 'GET',
      url,
      // The page itself asks for the token in its own way: by a link that is opened once.
      config: { open: url === '/' },
      schema: { hide: true },
      handler: async (request, reply) => {
        guard(reply);
        if (url === '/') {
          const foreign = foreignness(request, request.socket.localPort ?? 0);
          if (foreign !== null) return await reply.code(403).send(foreign);
          const { token } = request.query as { token?: unknown };
          if (typeof token === 'string') return await exchange(reply, token, credentials);
          if (!request.headers.cookie?.includes(`${cookieName}=${credentials.session}`)) return await sayHow(reply);
        }
        return await reply.type(file.type).send(await readFile(new URL(file.name, folder)));
      },
    });
}

function guard(reply: FastifyReply): void {
  void reply.headers({
    'content-security-policy': policy,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  });
}

/** The token leaves the address line at once: it must not stay in a history or be sent on. */
async function exchange(reply: FastifyReply, token: string, credentials: Credentials): Promise<FastifyReply> {
  if (!holdsToken(token, credentials))
    return await reply
      .code(401)
      .send(
        problem(
          'refused',
          "The link carries a token that is not this manager's.",
          'Open the link that `plumbline up` prints.',
        ),
      );
  return await reply
    .header('set-cookie', `${cookieName}=${credentials.session}; HttpOnly; SameSite=Strict; Path=/; Max-Age=604800`)
    .redirect('/', 303);
}

async function sayHow(reply: FastifyReply): Promise<FastifyReply> {
  return await reply
    .code(401)
    .type('text/plain; charset=utf-8')
    .send(
      'Plumbline answers only to who holds its token.\nOpen the link that `plumbline up` or `plumbline console` prints.\n',
    );
}
