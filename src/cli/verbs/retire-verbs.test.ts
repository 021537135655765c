// `manifest retire` shows before it acts: without a name it changes nothing, and a name must mean one entry.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Client } from '../../client/connect.ts';
import type { Retirement, UnusedEntry } from '../../model/retirement.ts';
import type { Programs } from '../programs.ts';
import { runCommandLine } from '../run.ts';
import type { Shell } from '../shell.ts';
import { retireVerbs } from './retire-verbs.ts';

const at = '2026-09-01T10:00:00.000Z';
const behaviour = { kind: 'outbound', exe: '/usr/bin/app', proto: 'tcp', peer: '10.0.0.9', port: '5432' } as const;
const unused = (id: string): UnusedEntry => ({
  entry: { id, behaviour, provenance: { kind: 'learned', at, count: 3, members: 1 } },
  lastUsedAt: at,
  quietDays: 82,
  neededDays: 30,
  why: 'it never rested longer than 1 day',
});
const replay = { service: 'web', period: null, judged: 0, deviations: 0, alarms: [], alarmsDropped: 0 };
const retirement: Retirement = {
  scope: 'shop',
  afterDays: 30,
  replayDays: 90,
  services: [
    {
      service: 'web',
      entries: 9,
      learned: 8,
      unused: [unused('aa11'), unused('aa22')],
      replay,
      retired: [{ entry: 'ff00', behaviour, lastUsedAt: at, by: 'alice', at }],
      notes: ['a note'],
    },
    { service: 'db', entries: 3, learned: 3, unused: [unused('bb11')], replay, retired: [], notes: [] },
  ],
};

async function run(typed: string) {
  const calls: string[] = [];
  let [out, err] = ['', ''];
  const manager = {
    unusedEntries: async () => await Promise.resolve(ok(retirement)),
    retireEntries: async (asked: { entries: string[]; service: string; preview?: boolean }) => {
      calls.push(JSON.stringify(asked));
      const retired = asked.entries.map(unused);
      const issued = [{ vm: 'name:web1', name: 'web1', generation: 7 }];
      return await Promise.resolve(ok({ preview: asked.preview === true, retired, replay, issued }));
    },
  } as unknown as Client;
  const shell: Shell = {
    env: {},
    user: { name: 'alice', uid: 1000, home: '/home/alice' },
    out: { write: (text) => void (out += text), isTerminal: false, width: null },
    err: { write: (text) => void (err += text), isTerminal: false, width: null },
    stop: new AbortController().signal,
    programs: {} as unknown as Programs,
    connect: async () => await Promise.resolve(ok(manager)),
    consoleLink: () => assert.fail('nobody asked'),
    readText: async () => await Promise.resolve(fail(problem('not-found', 'no file'))),
  };
  const code = await runCommandLine(
    ['manifest', 'retire', 'shop', ...typed.split(' ').filter(Boolean)],
    shell,
    retireVerbs,
  );
  return { calls, out, err, code };
}

test('without a name it lists what is unused, why, and what was retired before, and changes nothing', async () => {
  for (const typed of ['', '--preview']) {
    const { calls, out, code } = await run(typed);
    assert.deepEqual([calls, code], [[], 0]);
    assert.match(out, /nothing was changed/);
    assert.match(out, /2 of 9 entries \(8 learned\) unused/);
    assert.match(out, /aa11 +09-01 10:00:00 +82 +30 +\/usr\/bin\/app -> tcp 10\.0\.0\.9 port 5432 +it never rested/);
    assert.match(out, /retired ff00 on 2026-09-01 10:00:00Z by alice/);
    assert.match(out, /Note: a note/);
  }
});

test('entries are retired by the beginning of their ids, or all, each with its service', async () => {
  const one = await run('--entry aa2 --after 60');
  assert.deepEqual(one.calls, ['{"scope":"shop","afterDays":60,"service":"web","entries":["aa22"]}']);
  assert.match(one.out, /retired aa22: .*\nissued {2}manifest of web1, generation 7/);
  const all = await run('--all --preview');
  assert.deepEqual(
    all.calls.map((call) => (JSON.parse(call) as { entries: string[] }).entries),
    [['aa11', 'aa22'], ['bb11']],
  );
  assert.match(all.out, /would retire aa11/);
});

const refused: readonly (readonly [string, RegExp])[] = [
  ['--entry aa', /2 entries begin with aa/],
  ['--entry zz', /No unused entry of shop begins with zz/],
  ['--all --entry aa1', /cannot be meant together/],
  ['--after soon', /--after takes a number of days/],
  ['--service other/web', /is no service of shop/],
];

for (const [typed, expected] of refused)
  test(`refused: ${typed}`, async () => {
    const { calls, err, code } = await run(typed);
    assert.deepEqual(calls, []);
    assert.notEqual(code, 0);
    assert.match(err, expected);
  });
