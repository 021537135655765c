// A protected VM keeps its protection over a restart of Plumbline, a reboot, a revert and a new name; a clone inherits nothing.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Guest } from '../lab/guest.ts';
import { bootPlainGuest } from '../lab/plain-guest.ts';
import { makeProduct, until, type RunningUp } from '../lab/product.ts';

interface PrintedVm {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly scope: string | null;
  readonly mode: string | null;
}

interface PrintedAlarm {
  readonly id: string;
  readonly kind: string;
  readonly title: string;
}

const product = await makeProduct();
const relatives: ChildProcess[] = [];
let guest: Guest;
let up: RunningUp;

// A suite of its own: hooks at the root of a file run only when all files of the process are done.
suite('the life of a protected VM', () => {
  before(async () => {
    const booted = await bootPlainGuest({ kernel: '6.1', name: 'life' });
    assert.ok(booted.ok, JSON.stringify(booted));
    guest = booted.value;
    assert.ok((await guest.snapshot('earlier')).ok);
    up = await product.up();
    const file = join(product.stateDir, 'life.yaml');
    await writeFile(file, 'scopes:\n  - name: shop\n    services:\n      - name: web\n        members: [life]\n');
    await product.json('apply', '-f', file);
    // Freezing is refused as long as nothing was learned.
    await until(
      'something learned',
      20_000,
      () => product.run('protect', 'shop', '--force'),
      ({ code }) => code === 0,
    );
  });

  after(async () => {
    for (const child of relatives) child.kill('SIGKILL');
    await up.stop();
    await guest.stop();
    await product.remove();
  });

  async function vmNamed(name: string): Promise<PrintedVm | undefined> {
    return (await product.json<readonly PrintedVm[]>('vms')).find((vm) => vm.name === name && vm.state !== 'gone');
  }

  async function openAlarms(): Promise<readonly PrintedAlarm[]> {
    return (await product.json<{ items: readonly PrintedAlarm[] }>('alarms')).items;
  }

  /** Something nobody learned must raise an alarm: protection is in force, not only shown. */
  async function assertJudged(marker: string): Promise<void> {
    // Lives longer than it takes to find the kernel of a guest that has just booted.
    await guest.run(`sleep 4.${marker} </dev/null >/dev/null 2>&1 & true`);
    await until(`an alarm about ${marker}`, 15_000, openAlarms, (alarms) =>
      alarms.some(({ title }) => title.includes(`sleep 4.${marker}`)),
    );
  }

  test('what was protected is judged', async () => {
    await assertJudged('11');
  });

  test('Plumbline restarted knows its alarms and goes on judging', async () => {
    const before = (await openAlarms()).map(({ id }) => id);
    assert.equal(await up.stop(), 0);
    up = await product.up();
    const kept = new Set((await openAlarms()).map(({ id }) => id));
    assert.deepEqual(
      before.filter((id) => !kept.has(id)),
      [],
    );
    await until(
      'watched again',
      15_000,
      () => vmNamed('life'),
      (vm) => vm?.state === 'running' && vm.mode === 'protect',
    );
    await assertJudged('22');
  });

  test('a reboot changes nothing', async () => {
    assert.ok((await guest.qmp().execute('system_reset')).ok);
    await assertJudged('33');
  });

  test('a revert is told, and changes nothing', async () => {
    assert.ok((await guest.revert('earlier')).ok);
    await until('the revert is told', 15_000, openAlarms, (alarms) =>
      alarms.some(({ kind, title }) => kind === 'guard' && /put back|earlier/i.test(title)),
    );
    await assertJudged('44');
  });

  /** The same machine started by somebody else, with some words of its command line changed. */
  async function startRelative(args: readonly string[], change: (word: string) => string): Promise<void> {
    relatives.push(spawn('setpriv', ['--pdeathsig', 'KILL', ...args.map(change)], { stdio: 'ignore' }));
  }

  test('a new name keeps the protection; a clone has none and waits to be assigned', async () => {
    const args = (await readFile(`/proc/${guest.pid()}/cmdline`, 'utf8')).replace(/\0$/, '').split('\0');
    await guest.stop();
    await startRelative(args, (word) => (word === 'life' ? 'renamed' : word));
    const renamed = await until(
      'the renamed VM',
      30_000,
      () => vmNamed('renamed'),
      (vm) => vm?.state === 'running',
    );
    assert.deepEqual([renamed?.id, renamed?.scope, renamed?.mode], [guest.uuid, 'shop', 'protect']);
    relatives[0]?.kill('SIGKILL');
    const cloneId = '0f0e0d0c-0b0a-4908-8706-050403020100';
    await startRelative(args, (word) => (word === 'life' ? 'cloned' : word === guest.uuid ? cloneId : word));
    const cloned = await until(
      'the clone',
      30_000,
      () => vmNamed('cloned'),
      (vm) => vm?.state === 'running',
    );
    assert.deepEqual([cloned?.id, cloned?.scope, cloned?.mode], [cloneId, null, null]);
  });
});
