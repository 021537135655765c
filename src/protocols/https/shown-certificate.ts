// Which certificate a server shows, for a person who is to pin it. Nothing is sent to the server, and nothing is believed of it.
import { connect } from 'node:tls';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

/** Its SHA-256 as `AB:CD:...`. `url`: `https://HOST[:PORT]`. */
export async function shownCertificate(url: string, timeoutMs: number): Promise<Result<string>> {
  const address = URL.parse(url);
  if (address?.protocol !== 'https:') return fail(problem('usage', `${url} is not https://HOST[:PORT].`));
  const host = address.hostname.replace(/^\[|\]$/g, '');
  const { promise, resolve } = Promise.withResolvers<Result<string>>();
  const socket = connect({
    host,
    port: Number(address.port || 443),
    ...(/^[0-9.]+$|:/.test(host) ? {} : { servername: host }),
    rejectUnauthorized: false,
  });
  const unseen = (why: string): void =>
    resolve(fail(problem('interrupted', `${address.origin} shows no certificate: ${why}.`)));
  socket.setTimeout(timeoutMs, () => unseen(`no answer within ${timeoutMs} ms`));
  socket.once('error', (thrown) => unseen(causeOf(thrown)));
  socket.once('close', () => unseen('the connection was closed'));
  socket.once('secureConnect', () => {
    const shown = socket.getPeerCertificate().fingerprint256 as string | undefined;
    if (shown === undefined) unseen('it has none');
    else resolve(ok(shown));
  });
  const seen = await promise;
  socket.destroy();
  return seen;
}
