// The calls of a configuration: what the document shows is read, what is wrong is named with its line and field.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readConfiguration } from './configuration.ts';

const good = `
calls:
  soc:
    webhook: { url: https://soc.example/x, secretFile: /etc/key }
  run:
    command:
      run: [/usr/bin/true, a]
      user: nobody
  mail:
    notification:
      email:
        host: mail.example
        from: a@example.com
        to: [b@example.com]
  jira:
    ticket:
      url: https://jira.example/issue
      body: { a: ['{{alarm.title}}'] }
      key: /key
      close: { url: 'https://jira.example/issue/{key}' }
`;

test('what is well is read, as is what the document shows', () => {
  const read = readConfiguration(good, 'c.yaml');
  assert.ok(read.ok, JSON.stringify(read));
  assert.deepEqual(read.value.calls?.['jira']?.ticket?.body, { a: ['{{alarm.title}}'] });
  const document = readFileSync(new URL('../../docs/calls.md', import.meta.url), 'utf8');
  const example = readConfiguration(/```yaml\n(.*?)```/s.exec(document)?.[1] ?? '', 'docs/calls.md');
  assert.ok(example.ok, JSON.stringify(example));
  assert.equal(Object.keys(example.value.calls ?? {}).length, 5);
});

const bad: readonly (readonly [string, string, string, RegExp])[] = [
  ['an unknown field', 'secretFile', 'secret', /^c\.yaml:4: calls\.soc\.webhook lacks secretFile/],
  ['a name that is none', '  soc:', '  So c:', /^c\.yaml:3: calls\.So c /],
  [
    'two kinds in one',
    'webhook: {',
    'command: { run: [/x], user: a }\n    webhook: {',
    /^c\.yaml:3: calls\.soc must hold one of/,
  ],
  [
    'a password in an address',
    'https://soc',
    'https://u:p@soc',
    /^c\.yaml:4: calls\.soc\.webhook\.url must be an address without user/,
  ],
  [
    'another scheme',
    'https://soc',
    'file://soc',
    /^c\.yaml:4: calls\.soc\.webhook\.url must be an address that begins/,
  ],
  [
    'a secret by a relative path',
    '/etc/key',
    'key',
    /^c\.yaml:4: calls\.soc\.webhook\.secretFile must be an absolute path/,
  ],
  [
    'a program by a relative path',
    '/usr/bin/true',
    'bin/true',
    /^c\.yaml:7: calls\.run\.command\.run\.0 must be an absolute path/,
  ],
  [
    'root that nobody asked for',
    'user: nobody',
    'user: root',
    /^c\.yaml:8: calls\.run\.command\.user is root, which needs allowRoot/,
  ],
  [
    'an address that would end a header',
    'a@example.com',
    '"a@example.com\\r\\nBcc: x"',
    /^c\.yaml:13: .*from must be an e-mail address/,
  ],
  [
    'a user without a password',
    'from:',
    'user: a\n        from:',
    /^c\.yaml:11: .*email must hold user and passwordFile/,
  ],
  [
    'a password in the clear',
    'from:',
    'user: a\n        passwordFile: /p\n        tls: none\n        from:',
    /^c\.yaml:15: .*tls is none, over which/,
  ],
  [
    'a placeholder that is none',
    'alarm.title',
    'alarm.titel',
    /^c\.yaml:18: calls\.jira\.ticket\.body\.a\.0 has the unknown placeholder \{\{alarm\.titel\}\}/,
  ],
  [
    'a pointer that is none',
    '/key\n      close',
    'key\n      close',
    /^c\.yaml:19: calls\.jira\.ticket\.key must be a JSON pointer/,
  ],
  ['closing without a key', '      key: /key\n', '', /^c\.yaml:19: calls\.jira\.ticket\.close needs key/],
];
for (const [what, from, to, message] of bad)
  test(`refuses ${what}`, () => {
    assert.ok(good.includes(from));
    const read = readConfiguration(good.replace(from, to), 'c.yaml');
    assert.ok(!read.ok, 'it was accepted');
    assert.match(read.error.message, message);
    assert.doesNotMatch(read.error.message, /u:p/);
  });
