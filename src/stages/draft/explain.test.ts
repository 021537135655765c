// What an explanation shows must be true of the matcher: examples on both sides of each border, and nothing where there is none.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Behaviour } from '../../model/behaviour.ts';
import type { Profile, ProfileEntry } from '../../model/profile.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { tokens } from '../../pattern/token.ts';
import { explainEntry } from './explain.ts';
import { examplesOfTokens } from './explain-examples.data.ts';

const at = '2026-11-22T00:00:00.000Z';
const seen = (behaviour: Behaviour, count: number): [string, ProfileEntry] => [
  behaviourId(behaviour),
  { behaviour, count, firstAt: at, lastAt: at, members: ['name:web1'] },
];
const web = { exe: '/usr/sbin/apache2', proto: 'tcp', port: '80' } as const;
const profile: Profile = {
  scope: 'shop',
  service: 'web',
  entries: Object.fromEntries([
    seen({ kind: 'inbound', ...web, peer: '10.1.2.0/24' }, 12),
    seen({ kind: 'inbound', ...web, peer: '10.2.2.2' }, 40),
    seen({ kind: 'outbound', ...web, peer: '10.1.2.9' }, 3),
  ]),
  coverage: [],
};

function explain(behaviour: Behaviour) {
  return explainEntry({ id: 'e', behaviour, provenance: { kind: 'learned', at } }, profile);
}
const process1: Behaviour = { kind: 'process', exe: '/usr/bin/app', argv: ['app'], user: '33', parent: '/sbin/init' };

const cases: readonly (readonly [string, Behaviour, string, readonly string[], readonly string[]])[] = [
  [
    'a number',
    { ...process1, argv: ['app', '--pid=<number>'] },
    'argv[1]',
    ['--pid=7', '--pid=48213'],
    ['--pid=seven'],
  ],
  ['a star in a path', { ...process1, exe: '/opt/*/app' }, 'exe', ['/opt/name/app'], ['/opt/deeper/name/app']],
  ['any depth', { ...process1, exe: '/opt/**' }, 'exe', ['/opt/deeper/name'], []],
  ['an unknown program', { ...process1, exe: '?' }, 'exe', ['/tmp/anything'], []],
  ['any user', { ...process1, user: 'any' }, 'user', ['0'], []],
  [
    'a temporary file',
    { ...process1, argv: ['app', '/tmp/<tmp>'] },
    'argv[1]',
    ['/tmp/tmp.5uCgKO6S70'],
    ['/tmp/payload'],
  ],
  [
    'a block',
    { kind: 'inbound', exe: '/a', proto: 'tcp', peer: '10.1.2.0/24', port: '80' },
    'peer',
    ['10.1.2.0', '10.1.2.255'],
    ['10.1.1.255', '10.1.3.0'],
  ],
  [
    'the internet',
    { kind: 'outbound', exe: '/a', proto: 'tcp', peer: 'internet', port: '443' },
    'peer',
    ['8.8.8.8'],
    ['10.0.0.1'],
  ],
  [
    'a range of ports',
    { kind: 'listen', exe: '/a', proto: 'tcp', port: '8000-8010' },
    'port',
    ['8000', '8010'],
    ['7999', '8011'],
  ],
];

for (const [title, behaviour, field, admitted, refused] of cases)
  test(`${title} is shown from both sides`, () => {
    const { wide } = explain(behaviour);
    assert.deepEqual(
      wide.map((part) => part.field),
      [field],
    );
    for (const example of admitted)
      assert.ok(wide[0]?.admits.includes(example), `${example} in ${wide[0]?.admits.join()}`);
    for (const example of refused)
      assert.ok(wide[0]?.refuses.includes(example), `${example} in ${wide[0]?.refuses.join()}`);
  });

test('what admits one thing only has no wide part, also where a star or an escape is meant as it is', () => {
  assert.deepEqual(explain(process1).wide, []);
  assert.deepEqual(explain({ ...process1, argv: ['app', '*.txt', 'a<lt>b'] }).wide, []);
});

test('code is named and shown as never widened', () => {
  const { code, wide } = explain({ ...process1, exe: '/bin/sh', argv: ['sh', '-c', 'echo 1234567'] });
  assert.ok(code.includes('echo 1234567'));
  assert.deepEqual(wide, []);
});

test('it rests on what was learned and is admitted by it', () => {
  const { learned } = explain({
    kind: 'inbound',
    exe: '/usr/sbin/apache2',
    proto: 'tcp',
    peer: '10.1.0.0/16',
    port: '80',
  });
  assert.deepEqual(
    learned.map(({ behaviour, count }) => ['peer' in behaviour ? behaviour.peer : '', count]),
    [['10.1.2.0/24', 12]],
  );
});

test('every token has examples, and those said to fit do', () => {
  for (const name of Object.keys(tokens)) {
    const { fits = [] } = examplesOfTokens[`<${name}>`] ?? {};
    assert.ok(fits.length > 0, `no examples of <${name}>`);
    const { wide } = explain({ ...process1, argv: ['app', `x=<${name}>`] });
    for (const fit of fits) assert.ok(wide[0]?.admits.includes(`x=${fit}`), `${fit} is no <${name}>`);
  }
});
