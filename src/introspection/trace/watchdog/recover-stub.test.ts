// Whose stub is recovered and whose is not, by what QEMU is asked to do about it. How a guest is freed is tried on real guests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../../kit/canonical-json.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { Monitor } from '../../../protocols/qmp/monitor.ts';
import { openStub } from '../gdb-stub.ts';
import { recoverStub, type RecoverOptions } from './recover-stub.ts';

const ours = '/run/plumbline-7.gdb';
const lives = fail(problem('refused', 'Its owner lives.'));

/** A monitor that answers what a guest with this stub does, and remembers what it was told to do. */
function monitorOf(stub: string | null, status = 'running'): { readonly monitor: Monitor; readonly told: string[] } {
  const told: string[] = [];
  const answers: Readonly<Record<string, Json>> = {
    'query-chardev': stub === null ? [] : [{ label: 'gdb', filename: stub }],
    'query-status': { status },
  };
  const monitor: Monitor = {
    execute: (command) => Promise.resolve(ok(answers[command] ?? null)),
    hmp: (line) => {
      told.push(line);
      return Promise.resolve(ok(''));
    },
    subscribe: () => () => undefined,
    closed: new Promise(() => undefined),
    close: () => undefined,
  };
  return { monitor, told };
}

function options(take: Result<{ release(): void }>): { readonly given: RecoverOptions; readonly asked: string[] } {
  const asked: string[] = [];
  const given: RecoverOptions = {
    isOurs: (path) => path === ours,
    take: (path) => {
      asked.push(path);
      return Promise.resolve(take);
    },
    newSocketPath: '/run/new.gdb',
  };
  return { given, asked };
}

test('a stub whose owner lives is left alone, connected or not, whatever state its guest is in', async () => {
  for (const stub of [`unix:${ours},server=on`, `disconnected:unix:${ours},server=on`])
    for (const status of ['running', 'debug', 'paused']) {
      const { monitor, told } = monitorOf(stub, status);
      const { given, asked } = options(lives);
      assert.deepEqual(await recoverStub(monitor, given), lives);
      assert.deepEqual([asked, told], [[ours], []]);
    }
});

test('a stub of another debugger is nobody’s to take', async () => {
  for (const stub of ['disconnected:unix:/run/x.gdb,server=on', 'disconnected:tcp:0.0.0.0:1234,server=on', 'null']) {
    const { monitor, told } = monitorOf(stub);
    const { given, asked } = options(lives);
    const refused = await recoverStub(monitor, given);
    assert.match(refused.ok ? '' : refused.error.message, /in use or somebody else's/);
    assert.deepEqual([asked, told], [[], []]);
  }
});

test('a guest without a stub that runs has nothing to recover', async () => {
  const { monitor, told } = monitorOf(null);
  const { given, asked } = options(lives);
  assert.deepEqual(await recoverStub(monitor, given), ok('clean'));
  assert.deepEqual([asked, told], [[], []]);
});

test('of two that open a stub at the same moment the one whose stub is not there is told', async () => {
  let asked = 0;
  const { monitor, told } = monitorOf(null);
  const after = [{ label: 'gdb', filename: 'disconnected:unix:/run/other.gdb,server=on' }];
  const raced: Monitor = {
    ...monitor,
    execute: () => Promise.resolve(ok((asked += 1) === 1 ? [] : after)),
  };
  const refused = await openStub(raced, '/run/plumbline-raced-in-no-place.gdb');
  assert.match(refused.ok ? '' : refused.error.message, /at the same moment .*other\.gdb/);
  assert.equal(told.length, 1);
});
