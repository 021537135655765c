// The configuration file: what is wrong in it is named with file, line and field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evidenceLimitsOf, hostEvidenceLimitsOf, readConfiguration } from './configuration.ts';

const good = `
api:
  port: 0
store: { sizeMegabytesMax: 100 }
evidence: { daysMax: 30, host: { gigabytesMax: 5 } }
notify:
  webhooks:
    - url: https://siem.example/hook
      secret: sixteen-characters
      minSeverity: serious
  syslog:
    - host: 127.0.0.1
      transport: tcp
`;

test('a good file is read, an empty one is the default', () => {
  const read = readConfiguration(good, 'plumbline.yaml');
  assert.ok(read.ok, JSON.stringify(read));
  assert.equal(read.value.notify?.syslog?.[0]?.transport, 'tcp');
  assert.deepEqual(readConfiguration('# nothing\n', 'x'), { ok: true, value: {} });
  const day = 86_400_000;
  assert.deepEqual(evidenceLimitsOf(read.value), { ageMsMax: 30 * day, bytesMax: 500 * 2 ** 30 });
  assert.deepEqual(hostEvidenceLimitsOf(read.value), { ageMsMax: 90 * day, bytesMax: 5 * 2 ** 30 });
});

const bad: readonly (readonly [string, string, RegExp])[] = [
  ['an unknown key', good.replace('port:', 'prot:'), /^plumbline\.yaml:3: api\.prot is not a known field$/],
  ['a value out of range', good.replace('port: 0', 'port: 70000'), /^plumbline\.yaml:3: api\.port must be <= 65535$/],
  [
    'an unknown word',
    good.replace('tcp', 'tls'),
    /^plumbline\.yaml:13: notify\.syslog\.0\.transport must be one of udp, tcp$/,
  ],
  [
    'a field that is missing',
    good.replace('host: 127.0.0.1\n      ', ''),
    /^plumbline\.yaml:12: notify\.syslog\.0 lacks host$/,
  ],
  ['a list where a map belongs', 'api: [1]\n', /^plumbline\.yaml:1: api must be object/],
  ['no map at all', 'hello\n', /^plumbline\.yaml:1: must be object/],
  ['no YAML', 'api: {port: 1\n', /^plumbline\.yaml:\d+: /],
  ['a key twice', 'api: {}\napi: {}\n', /^plumbline\.yaml:\d: .*unique/],
];
for (const [what, text, message] of bad)
  test(`refuses ${what}`, () => {
    const read = readConfiguration(text, 'plumbline.yaml');
    assert.ok(!read.ok);
    assert.match(read.error.message, message);
    assert.ok(read.error.mend !== undefined);
  });

const platform = `
platforms:
  - name: dc-west
    kind: vsphere
    url: https://vcenter.example
    user: plumbline@vsphere.local
    passwordFile: /etc/plumbline/vcenter.password
    certificateSha256: ${'AB:'.repeat(31)}CD
`;

test('a platform is read, with and without its certificate', () => {
  for (const text of [platform, platform.replace(/ {4}certificateSha256.*\n/, ''), platform.replaceAll(':AB', 'AB')]) {
    const read = readConfiguration(text, 'plumbline.yaml');
    assert.ok(read.ok, JSON.stringify(read));
    assert.equal(read.value.platforms?.[0]?.kind, 'vsphere');
  }
});

const second = platform.slice(platform.indexOf('  - '));
const badPlatforms: readonly (readonly [string, string, RegExp])[] = [
  [
    'a kind nobody knows',
    platform.replace('vsphere\n', 'hyper-v\n'),
    /^plumbline\.yaml:4: platforms\.0\.kind must be one of .*vsphere/,
  ],
  [
    'an address without TLS',
    platform.replace('https:', 'http:'),
    /^plumbline\.yaml:5: platforms\.0\.url must be https:\/\/HOST/,
  ],
  [
    'a path in the address',
    platform.replace('.example', '.example/sdk'),
    /^plumbline\.yaml:5: platforms\.0\.url must be/,
  ],
  ['a password in the address', platform.replace('//', '//root:x@'), /^plumbline\.yaml:5: platforms\.0\.url must be/],
  [
    'a password in the file',
    platform.replace('passwordFile: /etc', 'password: /etc'),
    /^plumbline\.yaml:7: platforms\.0\.password is not a known field/,
  ],
  [
    'a relative path',
    platform.replace('/etc/', 'etc/'),
    /^plumbline\.yaml:7: platforms\.0\.passwordFile must be the whole path/,
  ],
  [
    'no secret',
    platform.replace(/ {4}passwordFile.*\n/, ''),
    /^plumbline\.yaml:3: platforms\.0 needs exactly one secret: passwordFile/,
  ],
  [
    'two secrets',
    platform.replace(/( {4})(passwordFile.*\n)/, '$1$2$1tokenFile: /x\n'),
    /^plumbline\.yaml:3: platforms\.0 needs exactly one secret/,
  ],
  [
    'a secret of the wrong kind',
    platform.replace('passwordFile', 'tokenFile'),
    /^plumbline\.yaml:3: platforms\.0 takes passwordFile, not tokenFile/,
  ],
  [
    'half a fingerprint',
    platform.replace(/AB:AB:AB/, 'AB'),
    /^plumbline\.yaml:8: platforms\.0\.certificateSha256 must be a SHA-256/,
  ],
  ['two of one name', platform + second, /^plumbline\.yaml:9: platforms\.1\.name is the name of platform 0 already/],
  [
    'a long name',
    platform.replace('dc-west', 'a'.repeat(25)),
    /^plumbline\.yaml:3: platforms\.0\.name must be lower-case letters.*24 at most/,
  ],
  [
    'an isolation network without a name',
    `${platform}    isolationNetwork: ''\n`,
    /^plumbline\.yaml:9: platforms\.0\.isolationNetwork must be the name of a port group/,
  ],
  [
    'an isolation network where there is no such thing',
    `${platform.replace('vsphere', 'nsx')}    isolationNetwork: dead end\n`,
    /^plumbline\.yaml:9: platforms\.0\.isolationNetwork is not for platforms of kind nsx/,
  ],
  ['no user', platform.replace(/ {4}user.*\n/, ''), /^plumbline\.yaml:3: platforms\.0 lacks user/],
];
for (const [what, text, message] of badPlatforms)
  test(`refuses of a platform ${what}`, () => {
    const read = readConfiguration(text, 'plumbline.yaml');
    assert.ok(!read.ok);
    assert.match(read.error.message, message);
  });

test('aliases cannot blow a small file up', () => {
  const lines = ['a0: &a0 [x, x]', ...Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`)];
  const read = readConfiguration(lines.join('\n'), 'bomb.yaml');
  assert.ok(!read.ok);
  assert.match(read.error.message, /aliases/);
});
