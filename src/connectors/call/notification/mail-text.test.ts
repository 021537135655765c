// Mails as they travel: every header is ours, every line is short, and what a guest wrote comes out as it went in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, constantFrom, oneof, property, string } from 'fast-check';
import { counted, seed } from '../../../../lab/scale.ts';
import { factsWith, hostileTexts } from '../../../sim/simulated-call.ts';
import { mailText } from './mail-text.ts';
import { wordsFor } from './words.ts';

const envelope = {
  from: 'plumbline@example.com',
  to: ['a@example.com', 'b@example.com'],
  id: 'k1@example.com',
  atMs: Date.UTC(2026, 10, 22, 8),
};

function read(text: string): { headers: string[]; body: string; subject: string } {
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const headers = head.replaceAll('\r\n ', ' ').split('\r\n');
  const subject = (headers.find((line) => line.startsWith('Subject: ')) ?? '').slice('Subject: '.length);
  const words = subject
    .split(' ')
    .map((word) => /^=\?utf-8\?B\?([A-Za-z0-9+/=]+)\?=$/.exec(word)?.[1] ?? assert.fail(word));
  return {
    headers: headers.map((line) => line.split(':')[0] ?? ''),
    body: Buffer.from(body.replaceAll('\r\n', ''), 'base64').toString(),
    subject: words.map((word) => Buffer.from(word, 'base64').toString()).join(''),
  };
}

test('no text of a guest makes a header, a long line or the end of the mail', () => {
  holds(
    property(oneof(constantFrom(...hostileTexts), string({ unit: 'binary', maxLength: 400 })), (text) => {
      const words = wordsFor(factsWith(text));
      const mail = mailText(words, envelope);
      const { headers, body, subject } = read(mail);
      assert.deepEqual(headers, [
        'From',
        'To',
        'Subject',
        'Date',
        'Message-ID',
        'MIME-Version',
        'Content-Type',
        'Content-Transfer-Encoding',
        'Auto-Submitted',
      ]);
      assert.match(mail, /^[\x20-\x7e\r\n]*$/);
      assert.ok(mail.split('\r\n').every((line) => line.length <= 76 && !/[\r\n]/.test(line) && line !== '.'));
      assert.equal(subject, `Plumbline: ${words.title}`);
      assert.equal(body, [words.title, '', ...words.lines, '', words.link].join('\r\n'));
    }),
    { numRuns: counted(300, 10_000), seed: seed() },
  );
});

test('it is dated and addressed as the field asks', () => {
  const mail = mailText(wordsFor(factsWith('x')), envelope);
  assert.match(mail, /^Date: Sun, 22 Nov 2026 08:00:00 \+0000\r$/m);
  assert.match(mail, /^To: a@example\.com,\r\n b@example\.com\r$/m);
  assert.match(mail, /^Message-ID: <k1@example\.com>\r$/m);
});
