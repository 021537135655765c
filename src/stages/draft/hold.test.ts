// What is learned and held, and what is not: each a table of one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Behaviour } from '../../model/behaviour.ts';
import type { Profile } from '../../model/profile.ts';
import { draft } from './draft.ts';
import { heldEntries } from './hold.ts';

const at = '2026-11-21T00:00:00.000Z';

function started(parent: string, exe: string, ...argv: readonly string[]): Behaviour {
  return { kind: 'process', exe, argv: [...argv], user: '0', parent };
}

function profileOf(behaviour: Behaviour, count = 1, members: readonly string[] = ['a']): Profile {
  const listen: Behaviour = { kind: 'listen', exe: '/usr/sbin/apache2', proto: 'tcp', port: '80' };
  const seen = { count, firstAt: at, lastAt: at, members: [...members] };
  const entries = { server: { ...seen, count: 9, behaviour: listen }, it: { ...seen, behaviour } };
  return { scope: 'shop', service: 'web', entries, coverage: [] };
}

const system = 'c:\\windows\\system32\\';
const powershell = `${system}windowspowershell\\v1.0\\powershell.exe`;

const rows: readonly (readonly [Behaviour, RegExp | null])[] = [
  [started('/usr/bin/perl', '/bin/sh', 'sh', '-c', 'id; uname -a'), /gave it code/],
  [started('/bin/bash', '/usr/bin/python3.11', 'python3', '-c', 'import os'), /gave it code/],
  [started('/usr/sbin/apache2', '/bin/sh', 'sh', '-c', 'id'), /reached from the network/],
  [started('/usr/sbin/apache2', '/usr/bin/curl', 'curl', 'http://x/'), /reach out/],
  [started('/usr/sbin/cron', '/bin/cat', 'cat', '/etc/shadow'), /names the files of users/],
  [started('/usr/sbin/cron', '/tmp/x', 'x'), /everybody may write/],
  [started('/usr/sbin/cron', '/opt/.x', 'x'), /hidden/],
  [{ kind: 'outbound', exe: '/memfd:x', proto: 'tcp', peer: 'any', port: '443' }, /memory only/],
  [started('/tmp/x', '/usr/bin/id', 'id'), /its starter/],
  [started(`${system}cmd.exe`, 'c:\\programdata\\x.exe', 'x'), /everybody may write/],
  [started(`${system}cmd.exe`, 'c:\\programdata\\maker\\x.exe', 'x'), null],
  [started(powershell, `${system}whoami.exe`, 'whoami', '/user'), /look around/],
  [started(powershell, `${system}sc.exe`, 'sc', 'stop', 'ikeext'), /change what starts/],
  [started(`${system}cmd.exe`, `${system}mavinject.exe`, 'mavinject', '1', '/INJECTRUNNING', 'x.dll'), /gave it code/],
  [started(`${system}services.exe`, `${system}sc.exe`, 'sc', 'config', 'Fax', 'binPath=', 'x'), /what a service runs/],
  [started(`${system}services.exe`, `${system}reg.exe`, 'reg', 'query', 'HKLM'), null],
  [started(powershell, `${system}findstr.exe`, 'findstr', 'x'), null],
  // What services do all day.
  [started('/usr/sbin/cron', '/bin/sh', 'sh', '-c', 'run-parts /etc/cron.daily'), null],
  [started('/usr/sbin/logrotate', '/bin/sh', 'sh', '-c', 'service x reload'), null],
  [started('/bin/sh', '/usr/bin/sed', 'sed', '-e', 's/a/b/'), null],
  [started('/bin/sh', '/usr/bin/sort', 'sort'), null],
  [started('/usr/sbin/apache2', '/usr/sbin/apache2', 'apache2', '-k', 'start'), null],
];

test('what is held', () => {
  for (const [behaviour, expected] of rows) {
    const [held] = heldEntries(profileOf(behaviour));
    if (expected === null) assert.equal(held, undefined, JSON.stringify(behaviour));
    else assert.match(held?.why ?? '', expected, JSON.stringify(behaviour));
  }
});

test('work that recurs is believed, a program that nobody installed never is', () => {
  const code = started('/usr/bin/perl', '/bin/sh', 'sh', '-c', 'id');
  assert.deepEqual(heldEntries(profileOf(code, 3)), []);
  assert.deepEqual(heldEntries(profileOf(code, 2, ['a', 'b'])), []);
  assert.deepEqual(heldEntries(profileOf(started('/usr/sbin/cron', '/opt/.x', 'x'), 3)), []);
  assert.equal(heldEntries(profileOf(started('/usr/sbin/cron', '/tmp/x', 'x'), 500, ['a', 'b'])).length, 1);
});

test('what is held is not in the manifest', () => {
  const profile = profileOf(started('/usr/bin/perl', '/bin/sh', 'sh', '-c', 'id'));
  const names = { scope: 'shop', service: 'web', vm: 'name:a', vmName: 'a', mode: 'detect' } as const;
  const issued = { orders: [], generation: 1, issuedAt: at, approved: [] };
  const held = new Set(heldEntries(profile).map(({ id }) => id));
  assert.equal(draft({ profile, ...names, ...issued }).entries.length, 2);
  assert.deepEqual(
    draft({ profile, held, ...names, ...issued }).entries.map(({ behaviour }) => behaviour.kind),
    ['listen'],
  );
});

test('what is repeated on one occasion only is rare where capture saw many', () => {
  const burst = started(powershell, `${system}whoami.exe`, 'whoami');
  const { entries } = profileOf(burst, 9);
  const profile = (serverSince: string, until: string): Profile => ({
    scope: 'shop',
    service: 'web',
    coverage: [],
    entries: {
      ...entries,
      server: { ...entries['server']!, firstAt: serverSince },
      it: { ...entries['it']!, lastAt: until },
    },
  });
  assert.equal(heldEntries(profile(at, at)).length, 0);
  assert.equal(heldEntries(profile('2026-11-19T00:00:00.000Z', '2026-11-21T00:05:00.000Z')).length, 1);
  assert.equal(heldEntries(profile('2026-11-19T00:00:00.000Z', '2026-11-21T09:00:00.000Z')).length, 0);
});
