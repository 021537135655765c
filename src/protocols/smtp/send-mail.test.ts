// Handing a mail over: encrypted before anything is said, dots and all, and an honest word on what became of it.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { selfSignedCertificate } from '../../../lab/self-signed-certificate.ts';
import { type MailServer as Started, type MailServerOptions, startMailServer } from '../../sim/mail-server.ts';
import { type MailServer, sendMail } from './send-mail.ts';

const certificate = selfSignedCertificate();
const fingerprint = certificate.fingerprint.replaceAll(':', '');
const started: Started[] = [];
after(() => started.forEach((server) => server.close()));

const mail = {
  from: 'plumbline@example.com',
  to: ['a@example.com', 'b@example.com'],
  text: 'Subject: x\r\n\r\n.\r\n..two\r\nend',
};

function placeOf({ port }: { readonly port: number }): MailServer {
  return { host: '127.0.0.1', port, tls: 'none', fingerprint: null, credentials: null, greeting: 'here' };
}

async function send(options: Partial<MailServerOptions>, server: Partial<MailServer> = {}, timeoutMs = 2000) {
  const real = await startMailServer(options);
  started.push(real);
  return {
    real,
    outcome: await sendMail({ ...placeOf(real), ...server }, mail, timeoutMs, new AbortController().signal),
  };
}

test('a mail arrives as it was written, dots at the beginning of lines included', async () => {
  const { real, outcome } = await send({});
  assert.deepEqual(outcome, { kind: 'accepted', reply: '2.0.0 taken' });
  assert.deepEqual(real.taken, [
    {
      from: 'MAIL FROM:<plumbline@example.com>',
      to: ['RCPT TO:<a@example.com>', 'RCPT TO:<b@example.com>'],
      text: mail.text,
      login: null,
      isEncrypted: false,
    },
  ]);
});

test('with STARTTLS nothing but the greeting is said before the encryption, and the password after it', async () => {
  const credentials = { user: 'me', password: 'secret word' };
  const { real, outcome } = await send(
    { certificate, login: 'me secret word' },
    { tls: 'starttls', fingerprint, credentials },
  );
  assert.equal(outcome.kind, 'accepted', JSON.stringify(outcome));
  assert.deepEqual([real.taken[0]?.login, real.taken[0]?.isEncrypted], ['me', true]);
  assert.deepEqual(real.heard.slice(0, 3), ['EHLO here', 'STARTTLS', 'EHLO here']);
});

test('a server without STARTTLS, or with another certificate, is told nothing more', async () => {
  const bare = await send({}, { tls: 'starttls' });
  assert.deepEqual([bare.outcome.kind, bare.real.heard], ['refused', ['EHLO here']]);
  for (const pin of ['0'.repeat(64), null]) {
    const { real, outcome } = await send({ certificate }, { tls: 'starttls', fingerprint: pin });
    assert.equal(outcome.kind, 'refused', JSON.stringify(outcome));
    assert.deepEqual(real.heard, ['EHLO here', 'STARTTLS']);
  }
});

test("what came before the encryption is not taken for the server's word", async () => {
  const { real, outcome } = await send(
    { certificate, replies: { STARTTLS: '220 go\r\n250 injected' } },
    { tls: 'starttls', fingerprint },
  );
  assert.ok(outcome.kind === 'refused' && /said more/.test(outcome.reply), JSON.stringify(outcome));
  assert.deepEqual(real.taken, []);
});

test('no password is said unencrypted', async () => {
  const { real } = await send({ login: 'me x' }, { credentials: { user: 'me', password: 'x' } });
  assert.ok(real.heard.every((line) => !line.startsWith('AUTH')));
});

const refusals: readonly (readonly [string, string, boolean])[] = [
  ['RCPT', '550 5.1.1 nobody', false],
  ['RCPT', '450 4.2.1 later', true],
  ['greeting', '421 busy', true],
  ['message', '554 5.7.1 spam', false],
];
for (const [command, reply, again] of refusals)
  test(`${reply} to ${command} is ${again ? 'tried again' : 'final'}`, async () => {
    const { outcome } = await send({ replies: { [command]: reply } });
    assert.ok(outcome.kind === 'refused' && outcome.again === again, JSON.stringify(outcome));
  });

test('silence before the mail was handed over means it was not sent; after it, nobody knows', async () => {
  const early = await send({ replies: { MAIL: '' } }, {}, 200);
  assert.ok(early.outcome.kind === 'refused' && early.outcome.again, JSON.stringify(early.outcome));
  const late = await send({ replies: { message: '' } }, {}, 200);
  assert.equal(late.outcome.kind, 'silent');
  assert.equal(late.real.taken.length, 1);
});

test('a reply without end is cut off', async () => {
  const { outcome } = await send({ replies: { EHLO: `250-${'x'.repeat(70_000)}` } });
  assert.ok(outcome.kind === 'refused' && /longer than/.test(outcome.reply), JSON.stringify(outcome));
});

test('an address that would end the command is never said', async () => {
  const real = await startMailServer();
  started.push(real);
  const sent = await sendMail(
    placeOf(real),
    { ...mail, to: ['a@b>\r\nRCPT TO:<c@d'] },
    500,
    new AbortController().signal,
  );
  assert.equal(sent.kind, 'refused');
  assert.deepEqual(real.heard, []);
});
