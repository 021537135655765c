// Two Plumblines at one real guest, each with a state directory of its own: the second leaves alone what belongs to the first, and takes
// over at once when the first was killed.
import assert from 'node:assert/strict';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { after, before, suite, test } from 'node:test';
import { becomes, statusOf } from '../../../lab/fragile-trace.ts';
import type { Guest } from '../../../lab/guest.ts';
import { bootPlainGuest } from '../../../lab/plain-guest.ts';
import type { GuestHandle } from '../../introspection/hypervisor/guest-handle.ts';
import { findGuests } from '../../introspection/introspection.ts';
import { findStub } from '../../introspection/trace/gdb-stub.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import { openQmp } from '../../protocols/qmp/qmp-client.ts';
import { traceGround, type TracePlaces } from './trace-ground.ts';

const main = join(import.meta.dirname, '..', '..', 'cli', 'main.ts');

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

function saidOf(result: Result<unknown>): string {
  return result.ok ? 'it was not refused' : sayProblem(result.error);
}

/** A process and all it started, its latest first. */
function withChildren(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return [...children.flatMap(withChildren), pid];
}

suite('a guest that two want to trace', { timeout: 180_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-two-'));
  let guest: Guest;
  let handle: GuestHandle;
  let verb: ChildProcessByStdio<null, Readable, Readable> | null = null;
  let said = '';
  const placesOf = (name: string): TracePlaces => ({ profiles: join(dir, 'profiles'), stubs: join(dir, name) });

  before(async () => {
    guest = must(await bootPlainGuest({ kernel: '6.1', name: `two-${process.pid}` }));
    const found = must(findGuests()).find(({ uuid }) => uuid === guest.uuid);
    assert.ok(found);
    handle = found;
  });
  after(async () => {
    verb?.kill('SIGKILL');
    await guest?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('has one owner at a time, also while nobody is connected to its stub', async () => {
    const monitor = must(await openQmp(guest.qmpSocket));
    const first = must(await traceGround(handle, monitor, placesOf('one')));
    const opened = must(await findStub(guest.qmp()));
    assert.match(opened ?? '', /^disconnected:unix:.*\/one\/plumbline-\d+\.gdb/);
    for (const name of ['two', 'one']) {
      const beganMs = performance.now();
      const second = await traceGround(handle, guest.qmp(), placesOf(name));
      assert.match(
        saidOf(second),
        new RegExp(`traced by another Plumbline already \\(process ${process.pid}; .*End the`),
      );
      assert.ok(performance.now() - beganMs < 2000, 'it waited');
    }
    assert.equal(must(await findStub(guest.qmp())), opened);
    await first.leave(true);
    assert.equal(must(await findStub(guest.qmp())), null);
    const next = must(await traceGround(handle, guest.qmp(), placesOf('two')));
    await next.leave(true);
    monitor.close();
    assert.equal(await statusOf(guest), 'running');
  });

  /** False = this machine gave the tracer no turn for so long that its watchdog let the guest go: that says nothing here. */
  async function isTracedOn(): Promise<boolean> {
    const argv = [main, 'trace', guest.name, '--json', '--state', join(dir, 'first')];
    const started = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    verb = started;
    said = '';
    for (const stream of [started.stdout, started.stderr])
      stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const isLate = (): boolean => /was not heard for/.test(said);
    const sees = (word: string): boolean => said.includes(`"${word}"`);
    const begun = await becomes(async () => {
      await guest.run('/bin/busybox true begun');
      return sees('begun') || started.exitCode !== null;
    }, 30_000);
    if (isLate()) return false;
    assert.ok(begun && sees('begun'), `it did not begin: ${said}`);
    for (const word of ['once', 'twice']) {
      const second = await traceGround(handle, guest.qmp(), placesOf('second'));
      if (second.ok) await second.value.leave(true);
      await guest.run(`/bin/busybox true ${word}`);
      const goesOn = await becomes(() => sees(word) || isLate(), 5000);
      if (isLate()) return false;
      assert.match(saidOf(second), new RegExp(`traced by another Plumbline already \\(process ${started.pid}; `));
      assert.ok(goesOn, `the first does not see ${word}: ${said.slice(-2000)}`);
    }
    assert.doesNotMatch(said, /watchdog|connection to QEMU|ended/, 'the first was disturbed');
    return true;
  }

  test('is traced on while another asks for it, and freed at once when everything of the first was killed', async () => {
    for (let tries = 1; !(await isTracedOn()); tries += 1) {
      verb?.kill('SIGKILL');
      assert.ok(tries < 4, said);
    }
    assert.ok(verb !== null);
    const all = withChildren(verb.pid ?? 0);
    assert.ok(all.length >= 3, `the verb, its tracer and the watchdog: ${all.join()}`);
    for (const pid of all) process.kill(pid, 'SIGKILL');
    const beganMs = performance.now();
    const taken = must(await traceGround(handle, guest.qmp(), placesOf('second')));
    assert.ok(performance.now() - beganMs < 8000, `it took ${Math.round(performance.now() - beganMs)} ms`);
    await taken.leave(true);
    assert.equal(must(await findStub(guest.qmp())), null);
    assert.match((await guest.run('echo alive')).out, /alive/);
    assert.equal(await statusOf(guest), 'running');
  });
});
