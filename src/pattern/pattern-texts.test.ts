// Patterns as texts: what each admits, what cannot be written and where the mistake is said to be, and that printing undoes parsing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Result } from '../kit/result.ts';
import {
  argumentSyntax,
  matchesArgv,
  parseArgument,
  parseArgv,
  printArgument,
  printArgv,
  quoteArgument,
} from './argv-pattern.ts';
import { matchesPath, parsePath, printPath, quotePath } from './path-pattern.ts';
import { matchesPeer, parsePeer, printPeer, subsumesPeer } from './peer-pattern.ts';
import { matchesPort, parsePort, printPort } from './port-pattern.ts';
import { matchesTemplate } from './template.ts';
import { parseUser, printUser } from './user-pattern.ts';

function valueOf<T>(result: Result<T>): T {
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  return result.value;
}

function refuses(result: Result<unknown>, says: RegExp): void {
  assert.ok(!result.ok, 'was accepted');
  assert.match(result.error.message, says);
}

/** Pattern, texts it admits, texts it does not. */
type Row = readonly [string, readonly string[], readonly string[]];

function check(rows: readonly Row[], matches: (pattern: string, text: string) => boolean): void {
  for (const [pattern, good, bad] of rows) {
    for (const text of good) assert.ok(matches(pattern, text), `${pattern} should admit ${text}`);
    for (const text of bad) assert.ok(!matches(pattern, text), `${pattern} should not admit ${text}`);
  }
}

test('arguments', () => {
  check(
    [
      ['--serve', ['--serve'], ['--serv', '--serve2', '']],
      ['--pid=<number>', ['--pid=1', '--pid=99999'], ['--pid=', '--pid=1a', 'x--pid=1']],
      ['<hex>', ['deadbeef', '0123456789abcdefABCDEF'], ['abc', 'deadbeeg']],
      ['id-<uuid>.x', ['id-8f14e45f-ceea-467f-a1c6-5f1d2b3c4d5e.x'], ['id-8f14e45f-ceea-467f-a1c6.x']],
      ['db-<date>.sql', ['db-2026-11-21.sql', 'db-20261121.sql', 'db-20261121T193735Z.sql'], ['db-2026-99-21.sql']],
      ['<time>', ['19:37', '19:37:35', '19:37:35.728'], ['39:37', '19:67']],
      ['<tmp>', ['tmp.5uCgKO6S70', 'tmp8x1k_2aq'], ['tmp', 'other.5uCgKO6S70']],
      ['key.<random>', ['key.gUItN8'], ['key.a', 'key.gUItN8/x']],
      ['<any>', ['', 'x', '\n/'], []],
      ['a<lt>number>', ['a<number>'], ['a5']],
      ['*', ['*'], ['x']],
    ],
    (pattern, text) => matchesTemplate(valueOf(parseArgument(pattern)), text),
  );
});

test('paths', () => {
  check(
    [
      ['/usr/bin/*', ['/usr/bin/sh'], ['/usr/bin/', '/usr/bin/a/b', '/usr/sbin/sh']],
      ['/opt/**', ['/opt/a', '/opt/a/b'], ['/opt', '/opt/', '/optional/a']],
      ['/opt/**/bin/x', ['/opt/bin/x', '/opt/a/b/bin/x'], ['/opt/abin/x', '/opt/bin/xx']],
      [
        '/usr/lib/jvm/java-*-openjdk/bin/java',
        ['/usr/lib/jvm/java-17-openjdk/bin/java'],
        ['/usr/lib/jvm/java-17/x-openjdk/bin/java'],
      ],
      ['/tmp/<tmp>', ['/tmp/tmp.5uCgKO6S70'], ['/tmp/payload', '/tmp/tmp.5uCgKO6S70/x']],
      ['?', ['/anything', '?'], []],
      ['<question>', ['?'], ['/anything']],
      ['/a<star>', ['/a*'], ['/ab']],
      ['/a<lt>b', ['/a<b'], []],
    ],
    (pattern, text) => matchesPath(valueOf(parsePath(pattern)), text),
  );
  assert.ok(matchesPath(valueOf(parsePath('/usr/bin/x')), null), 'an unknown path cannot differ');
});

test('argument vectors', () => {
  const rest = valueOf(parseArgv(['node', 'server.js', '<rest>']));
  assert.ok(matchesArgv(rest, ['node', 'server.js']) && matchesArgv(rest, ['node', 'server.js', 'a', 'b']));
  assert.ok(!matchesArgv(rest, ['node']) && !matchesArgv(rest, ['node', 'other.js']));
  const exact = valueOf(parseArgv(['ls', '-l']));
  assert.ok(matchesArgv(exact, ['ls', '-l']) && !matchesArgv(exact, ['ls']) && !matchesArgv(exact, ['ls', '-l', 'x']));
});

test('ports and users', () => {
  check(
    [
      ['8080', ['8080'], ['8081']],
      ['8000-8010', ['8000', '8010'], ['7999', '8011']],
      ['ephemeral', ['32768', '60999'], ['32767', '61000']],
      ['any', ['0', '65535'], []],
    ],
    (pattern, text) => matchesPort(valueOf(parsePort(pattern)), Number(text)),
  );
  for (const bad of ['', '70000', '9-8', 'x', '-1']) refuses(parsePort(bad), /not a port pattern/);
  for (const bad of ['', 'root', '-1', '007']) refuses(parseUser(bad), /not a user pattern/);
  for (const text of ['0', '33', 'any']) assert.equal(printUser(valueOf(parseUser(text))), text);
});

test('peers', () => {
  check(
    [
      ['10.1.2.3', ['10.1.2.3', '::ffff:10.1.2.3'], ['10.1.2.4', '::1', 'x']],
      ['10.1.2.0/24', ['10.1.2.0', '10.1.2.255'], ['10.1.3.0']],
      ['0.0.0.0/0', ['1.2.3.4'], ['::1']],
      ['2001:db8::/32', ['2001:db8::1', '2001:0DB8:1::'], ['2001:db9::1']],
      ['loopback', ['127.0.0.1', '127.9.9.9', '::1'], ['10.0.0.1', '::2']],
      ['link-local', ['169.254.1.1', 'fe80::1', 'fe80::1%eth0'], ['10.0.0.1']],
      ['internet', ['1.2.3.4', '2001:db8::1'], ['10.1.2.3', '127.0.0.1', 'fe80::1', 'fd00::1', 'unreadable']],
      ['any', ['1.2.3.4', '::', 'unreadable'], []],
    ],
    (pattern, text) => matchesPeer(valueOf(parsePeer(pattern)), text),
  );
  const [internet, any] = ['internet', 'any'].map((text) => valueOf(parsePeer(text)));
  assert.ok(internet !== undefined && any !== undefined);
  assert.ok(subsumesPeer(any, internet) && subsumesPeer(internet, internet) && !subsumesPeer(internet, any));
  for (const [block, isOutside] of [
    ['8.0.0.0/8', true],
    ['10.1.0.0/16', false],
    // Holds 10.0.0.0/8 and more.
    ['8.0.0.0/5', false],
    ['loopback', false],
  ] as const) {
    assert.equal(subsumesPeer(internet, valueOf(parsePeer(block))), isOutside, block);
    assert.ok(!subsumesPeer(valueOf(parsePeer(block)), internet), block);
  }
  refuses(parsePeer('10.1.2.3/24'), /behind its prefix/);
  for (const bad of ['', 'localhost', '10.1.2', '300.1.1.1', '10.0.0.0/33', '1::2::3', '/8'])
    refuses(parsePeer(bad), /not a peer/);
});

test('a mistake is named with its position', () => {
  refuses(parseArgument('--x=<pid>'), /<pid> at position 5/);
  refuses(parseArgument('a<b'), /<b at position 2/);
  refuses(parsePath('/usr/<pid>/x'), /<pid> at position 6/);
  refuses(parsePath('/u*r/*<any>'), /<any> at position 7/);
  refuses(parsePath('/a/b**'), /\*\* inside a segment at position 5/);
  refuses(parsePath(''), /empty/);
  refuses(parseArgv(['x', '<rest>', 'y']), /argv\[1\] is <rest>/);
  refuses(parseArgv(['x', 'a<b']), /^argv\[1\]/);
  refuses(parseArgument('<any>'.repeat(65)), /65 tokens/);
  refuses(parseArgument(`<any>${'x'.repeat(9000)}`), /longer than/);
});

const awkward = fc.string({ unit: fc.constantFrom('<', '>', '*', '?', '/', 'a', 'lt', 'rest', 'number', '1', ' ') });

test('a quoted text is a pattern that admits that text and no other', () => {
  fc.assert(
    fc.property(awkward, awkward, (text, other) => {
      const argument = valueOf(parseArgument(quoteArgument(text)));
      assert.equal(matchesTemplate(argument, other), text === other);
      assert.equal(printArgument(argument), quoteArgument(text));
      if (text === '') return;
      const path = valueOf(parsePath(quotePath(text)));
      assert.equal(matchesPath(path, other), text === other);
      assert.equal(printPath(path), quotePath(text));
    }),
  );
});

const argumentText = fc
  .array(
    fc.oneof(
      fc.constantFrom(...argumentSyntax.tokens, 'lt').map((name) => `<${name}>`),
      fc.constantFrom('a', '/', '-', '>', '*'),
    ),
  )
  .map((parts) => parts.join(''));
const pathText = fc
  .array(fc.oneof(fc.constantFrom('**', '*', 'a*b', '<tmp>', '<hex>-x', 'usr', '<star>', '<lt>', '?')), {
    minLength: 1,
  })
  .map((segments) => `/${segments.join('/')}`);

test('printing undoes parsing', () => {
  fc.assert(
    fc.property(fc.array(argumentText), fc.boolean(), pathText, (texts, rest, path) => {
      const argv = rest ? [...texts, '<rest>'] : texts;
      assert.deepEqual(printArgv(valueOf(parseArgv(argv))), argv);
      assert.equal(printPath(valueOf(parsePath(path))), path);
    }),
  );
});

test('peers and ports come back as the one canonical text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 0, max: 65_535 }), fc.nat(65_535), (ip, a, b) => {
      const printed = printPeer(valueOf(parsePeer(ip)));
      assert.equal(printPeer(valueOf(parsePeer(printed))), printed);
      assert.ok(matchesPeer(valueOf(parsePeer(printed)), ip));
      assert.ok(subsumesPeer(valueOf(parsePeer('any')), valueOf(parsePeer(ip))));
      const range = `${Math.min(a, b)}-${Math.max(a, b)}`;
      const port = valueOf(parsePort(range));
      assert.deepEqual(valueOf(parsePort(printPort(port))), port);
    }),
  );
});

test('IPv6 is printed as RFC 5952 wants it', () => {
  const rows = [
    ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['fe80::', 'fe80::'],
    ['FE80::ABCD', 'fe80::abcd'],
  ] as const;
  for (const [written, canonical] of rows) assert.equal(printPeer(valueOf(parsePeer(written))), canonical);
});
