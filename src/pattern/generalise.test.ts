// Generalising: what becomes a token, what stays, and that a pattern always admits the text it was made from.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { matchesArgv, parseArgv } from './argv-pattern.ts';
import { generaliseArgument, generaliseArgv, generalisePath } from './generalise.ts';
import { matchesPath, parsePath } from './path-pattern.ts';

test('what a run makes up becomes a token', () => {
  const rows = [
    ['1234', '<number>'],
    ['--pid=1234', '--pid=<number>'],
    ['/proc/99/fd/7', '/proc/<number>/fd/<number>'],
    ['backup-20261121.tar.gz', 'backup-<date>.tar.gz'],
    ['/var/backups/db-2026-11-21T19:37:35Z.sql', '/var/backups/db-<date>.sql'],
    ['--at=19:37:35', '--at=<time>'],
    ['container/4f2a9c01d7be', 'container/<hex>'],
    ['8f14e45f-ceea-467f-a1c6-5f1d2b3c4d5e', '<uuid>'],
    ['/tmp/tmp.5uCgKO6S70', '/tmp/<tmp>'],
    ['/tmp/tmp8x1k_2aq/out', '/tmp/<tmp>/out'],
    ['--defaults-file=/tmp/mysql_upgrade-gUItN8', '--defaults-file=/tmp/mysql_upgrade-<random>'],
    ['/var/lock/apache2.rVC2hHRIJy', '/var/lock/apache2.<random>'],
    ['job_1234', 'job_<number>'],
    ['user@1000.service', 'user@<number>.service'],
    ['a<1234', 'a<lt><number>'],
    ['/state0:0xa3c06855', '/state0:<hexnumber>'],
    ['/Processid:{776DBC8D-7347-478C-8D71-791E12EF49D8}', '/Processid:{<uuid>}'],
    ['http://10.0.0.9:8088/finished/app/7?run=1234', 'http://10.0.0.9:8088/finished/app/<number>?run=<number>'],
  ] as const;
  for (const [text, pattern] of rows) assert.equal(generaliseArgument(text), pattern);
});

test('what names something stays', () => {
  const rows = [
    '-9',
    '--serve',
    'python3.11',
    '10.0.0.5',
    '10.0.0.0/8',
    '127.0.0.1:6379',
    'utf-8',
    'x86_64-linux-gnu',
    'rsa:2048',
    'deadbeef',
    'tty1',
    '1.2.3',
    '52:54:00:12:34:56',
    '/tmp/build.service',
    'http://3232235777/',
    'https://4f2a9c01d7be.example.net:8443/a',
    '/usr/share/app/CamelCaseName.properties',
    '',
  ];
  for (const text of rows) assert.equal(generaliseArgument(text), text);
});

test('executables keep their names and lose what is random, and which release lies in a directory', () => {
  const rows = [
    ['/usr/bin/python3.11', '/usr/bin/python3.11'],
    ['/opt/app-1234/bin/run', '/opt/app-1234/bin/run'],
    ['/opt/app-1.2.3/bin/run', '/opt/app-<version>/bin/run'],
    ['/opt/app/run-1.2.3', '/opt/app/run-1.2.3'],
    ['c:\\azure\\agent_2.7.41491.993_2020-10-08_051602\\agent.exe', 'c:\\azure\\agent_<version>_<date>\\agent.exe'],
    ['/srv/2020-10-08/run', '/srv/2020-10-08/run'],
    ['/tmp/tmp.5uCgKO6S70/install', '/tmp/<tmp>/install'],
    ['/var/lib/docker/overlay2/4f2a9c01d7be4f2a/merged/x', '/var/lib/docker/overlay2/<hex>/merged/x'],
    ['/proc/1234/exe', '/proc/<number>/exe'],
    ['/bin/[', '/bin/['],
    ['/opt/a*b', '/opt/a<star>b'],
    ['?', '<question>'],
  ] as const;
  for (const [path, pattern] of rows) assert.equal(generalisePath(path), pattern);
});

test('code is kept word for word, data beside it is not', () => {
  const rows: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['/bin/sh', ['sh', '-c', 'kill 1234'], ['sh', '-c', 'kill 1234']],
    ['/bin/bash', ['bash', '-lc', 'kill 1234', '99'], ['bash', '-lc', 'kill 1234', '99']],
    ['/bin/sh', ['sh', '/opt/job-1234.sh', '20261121'], ['sh', '/opt/job-1234.sh', '<date>']],
    [
      '/usr/bin/python3.11',
      ['python3', '-W', 'x', '/srv/1234.py', '5678'],
      ['python3', '-W', 'x', '/srv/1234.py', '<number>'],
    ],
    ['/usr/bin/perl', ['perl', '-we', 'exit 123'], ['perl', '-we', 'exit 123']],
    ['/usr/bin/nc.openbsd', ['nc', '10.0.0.1', '4444'], ['nc', '10.0.0.1', '4444']],
    ['/usr/bin/find', ['find', '/srv/1234', '-exec', 'cp', '5678'], ['find', '/srv/<number>', '-exec', 'cp', '5678']],
    ['/usr/bin/tar', ['tar', 'cf', 'a-20261121.tar'], ['tar', 'cf', 'a-<date>.tar']],
    ['/usr/bin/timeout', ['timeout', '500', 'sh', '-c', 'sleep 100'], ['timeout', '<number>', 'sh', '-c', 'sleep 100']],
    ['/usr/bin/wget', ['wget', '-O', '/x', 'http://h/7'], ['wget', '-O', '/x', 'http://h/<number>']],
    ['/usr/bin/curl', ['curl', '-K', '/x/1234', 'http://h/7'], ['curl', '-K', '/x/1234', 'http://h/7']],
    ['/usr/bin/chmod', ['chmod', '4755', '/run/x.rVC2hHRIJy'], ['chmod', '4755', '/run/x.<random>']],
    ['/bin/busybox', ['sh', '-c', 'kill 1234'], ['sh', '-c', 'kill 1234']],
    ['/bin/busybox', ['busybox', 'nc', '10.0.0.1', '4444'], ['busybox', 'nc', '10.0.0.1', '4444']],
    ['/bin/busybox', ['sleep', '500'], ['sleep', '<number>']],
    ['/usr/bin/tail', ['tail', '-n', '100'], ['tail', '-n', '<number>']],
  ];
  for (const [exe, argv, pattern] of rows) assert.deepEqual(generaliseArgv(exe, argv), pattern);
});

const madeUp = fc.string({
  unit: fc.constantFrom(
    '1',
    '20261121',
    '2026-11-21',
    'T',
    '19:37',
    '.',
    '-',
    '/',
    '/tmp/',
    'tmp',
    'aB3dE9',
    'deadbee1',
    '<',
    '*',
    '?',
    ' ',
    ':',
    'x',
    '_',
    '=',
  ),
});

test('a pattern admits the text it was made from', () => {
  fc.assert(
    fc.property(
      fc.oneof(madeUp, fc.string()),
      fc.array(fc.oneof(madeUp, fc.constantFrom('sh', '-c'))),
      (path, argv) => {
        const args = parseArgv(generaliseArgv(path, argv));
        assert.ok(args.ok && matchesArgv(args.value, argv), JSON.stringify(argv));
        if (path === '') return;
        const parsed = parsePath(generalisePath(path));
        assert.ok(parsed.ok && matchesPath(parsed.value, path), path);
      },
    ),
    { numRuns: 2000 },
  );
});

test('long and endless texts are kept as they are, quickly', () => {
  const rows = ['1 '.repeat(4000), '<'.repeat(8000), '9'.repeat(8000), 'a1'.repeat(100_000), '/tmp/x.'.repeat(1000)];
  const start = performance.now();
  for (const text of rows) {
    const parsed = parseArgv([generaliseArgument(text)]);
    assert.ok(parsed.ok && matchesArgv(parsed.value, [text]), text.slice(0, 20));
  }
  assert.ok(performance.now() - start < 5000);
});

test('a hostile path is generalised in no time', () => {
  const hostile = ['..1.1.1', '1.1.1_20200101', '1.1.1.a', '0x0.0.0-'].map(
    (part) => `/${part.repeat(8000 / part.length)}`,
  );
  const startedAt = performance.now();
  for (const path of [...hostile, ...hostile.map((each) => `${each}/x`)]) assert.ok(generalisePath(path).length > 0);
  assert.ok(performance.now() - startedAt < 500);
});
