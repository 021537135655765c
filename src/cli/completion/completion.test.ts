// Completion offers what would be understood where the cursor stands, says nothing when there is nothing to say, and its
// scripts are scripts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Client } from '../../client/connect.ts';
import type { Programs } from '../programs.ts';
import { runCommandLine } from '../run.ts';
import type { Shell } from '../shell.ts';
import { verbs } from '../verbs/verbs.ts';
import { completionScripts, shells } from './scripts.data.ts';

const manager = {
  listVms: async () =>
    ok([
      { name: 'web1', state: 'running', service: 'web' },
      { name: 'db1', state: 'paused', service: null },
      { name: 'hostile\u001b[2J', state: 'running', service: null },
    ]),
  listScopes: async () =>
    ok([{ name: 'shop', mode: 'detect', services: [{ name: 'web', description: 'the\tfront' }] }]),
  listPlans: async () => ok({ items: [{ plan: { id: '77aa', why: 'w' } }], next: null, total: 1 }),
  listPlatforms: async () => ok([{ name: 'dc-west', kind: 'vsphere', state: 'away' }]),
  listAlarms: async () => ok({ items: [{ id: '3f2a01', title: 'sh\u001b[2J from nginx' }], next: null, total: 1 }),
} as unknown as Client;

async function offered(words: readonly string[], isUp = true): Promise<string[]> {
  let out = '';
  const shell: Shell = {
    env: {},
    user: { name: 'alice', uid: 1000, home: '/home/alice' },
    out: { write: (text) => void (out += text), isTerminal: false, width: null },
    err: { write: (text) => assert.fail(text), isTerminal: false, width: null },
    stop: new AbortController().signal,
    programs: { vmNames: async () => ok(['local1']) } as unknown as Programs,
    connect: async () => await Promise.resolve(isUp ? ok(manager) : fail(problem('failed', 'no manager'))),
    consoleLink: () => assert.fail('nobody asked'),
    readText: async () => await Promise.resolve(fail(problem('not-found', 'no file'))),
  };
  assert.equal(await runCommandLine(['complete', '--', ...words], shell, verbs), 0);
  return out === '' ? [] : out.trimEnd().split('\n');
}

const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
  [['al'], ['alarms', 'alarm', 'allow']],
  [['platf'], ['platforms']],
  [
    ['scope', ''],
    ['list', 'show', 'create', 'delete'],
  ],
  [['help', 'prot'], ['protect']],
  [
    ['alarms', '--s'],
    ['--scope', '--status', '--severity', '--state'],
  ],
  [['alarms', '--scope', 'shop', '--sc'], []],
  [['service', 'rules', 'shop/web', '--add', 'x', '--a'], ['--add']],
  [['alarms', '--severity', 's'], ['serious']],
  [['alarms', '--scope', ''], ['shop']],
  [['respond', ''], ['3f2a01']],
  [['respond', '3f2a01', 'p'], ['power-off']],
  [['respond', '3f2a01', 'suspend', ''], []],
  [
    ['ps', ''],
    ['web1', 'db1'],
  ],
  [['ps', 'w'], ['web1']],
  [['--state', '/x', 'ps', 'w'], ['web1']],
  [['member', 'add', 'sh'], ['shop/web']],
  [['member', 'add', 'shop/web', 'db1', 'w'], ['web1']],
  [['allow', '3f2a01', '--member', 'd'], ['db1']],
  [['apply', '--file', ''], []],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
  [['platforms', 'vms', ''], ['dc-west']],
  [['act', 'we'], ['web1']],
  [['act', 'web1', 'q'], ['quarantine']],
  [['act', 'web1', 'suspend', '--pr'], ['--preview']],
  [['nonsense', ''], []],
  [
    ['evidence', ''],
    ['export', 'verify', 'hold', 'unhold', 'holds', '3f2a01', '77aa', 'web1', 'db1'],
  ],
  [
    ['evidence', 'export', ''],
    ['3f2a01', '77aa'],
  ],
  [['evidence', 'verify', ''], []],
];

test('what could stand at the cursor', async () => {
  for (const [words, expected] of cases) {
    const values = (await offered(words)).map((line) => line.split('\t')[0]);
    assert.deepEqual(values, expected, words.join(' '));
  }
});

test('what is offered is explained on the same line, safely', async () => {
  assert.deepEqual(await offered(['alarm', '']), ['3f2a01\tsh\\x1b[2J from nginx']);
  assert.deepEqual(await offered(['service', 'rules', '']), ['shop/web\tthe\\tfront']);
});

test('without a manager the host is asked for VMs, and nobody for the rest', async () => {
  assert.deepEqual(await offered(['ps', ''], false), ['local1']);
  assert.deepEqual(await offered(['alarm', ''], false), []);
});

test('every shell that is there takes its script', () => {
  const checks = { bash: ['-n'], zsh: ['-n'], fish: ['--no-execute'] } as const;
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-completion-'));
  for (const shell of shells) {
    const file = join(directory, shell);
    writeFileSync(file, completionScripts[shell]);
    const { status, stderr } = spawnSync(shell, [...checks[shell], file], { encoding: 'utf8' });
    const isMissing = status === null && shell !== 'bash';
    if (!isMissing) assert.deepEqual([status, stderr], [0, ''], shell);
  }
  rmSync(directory, { recursive: true });
});

test('bash fills in what the program offers, quoted', () => {
  const script = `plumbline() { printf '%s\\n' "\${*@Q}" >&2; printf 'web 1\\tsays\\n$(reboot)\\n'; }
${completionScripts.bash}
COMP_WORDS=(plumbline ps --threads we); COMP_CWORD=3
_plumbline 2>/dev/null
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, status } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
  assert.deepEqual([status, stdout], [0, 'web\\ 1\n\\$\\(reboot\\)\n']);
});
