// Syslog messages stay one message, parseable, whatever a hostile guest puts into a name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { formatSyslog, frameByOctetCount, messageBytesMax, type SyslogMessage } from './rfc5424.ts';

const plain: SyslogMessage = {
  facility: 10,
  severity: 2,
  at: '2026-11-21T21:05:00.000Z',
  hostname: 'host1',
  app: 'plumbline',
  procid: '-',
  msgid: 'alarm',
  data: { id: 'alarm@32473', params: { vm: 'web1' } },
  text: 'Something happened',
};

test('a plain message is as in RFC 5424', () => {
  assert.equal(
    formatSyslog(plain).toString(),
    '<82>1 2026-11-21T21:05:00.000Z host1 plumbline - alarm [alarm@32473 vm="web1"] \uFEFFSomething happened',
  );
});

test('quotes, brackets and backslashes are escaped, line ends and blanks cannot break out', () => {
  const text = formatSyslog({
    ...plain,
    hostname: 'ho st\n',
    msgid: '',
    data: { id: 'a@1', params: { exe: 'x"] y\\\n' } },
    text: 'a\r\n<1>1 forged',
  }).toString();
  assert.ok(text.includes(' ho_st_ plumbline - - [a@1 exe="x\\"\\] y\\\\ "] '), text);
  assert.ok(!/[\r\n]/.test(text));
});

test('any message is short, one line and valid UTF-8', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 6000 }), (hostile) => {
      const bytes = formatSyslog({ ...plain, text: hostile.repeat(3), data: { id: 'a@1', params: { p: hostile } } });
      assert.ok(bytes.length <= messageBytesMax);
      assert.ok(!bytes.includes(10));
      new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    }),
    { numRuns: 50 },
  );
});

test('octet counting counts octets, not characters', () => {
  assert.equal(frameByOctetCount(Buffer.from('é')).toString(), '2 é');
});
