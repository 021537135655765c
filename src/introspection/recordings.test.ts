// Recorded guests of every kernel, looked into without QEMU: exactly what the live session saw, in milliseconds.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Result } from '../kit/result.ts';
import {
  keepProfile,
  openRecording,
  packRecording,
  readRecording,
  readView,
  recordedReleases,
  unpackRecording,
  viewOf,
} from '../sim/guest-recording.ts';
import { RecordedMemory } from '../sim/page-set.ts';
import type { TaskView } from './guest/guest-view.ts';

const profileDirectory = mkdtempSync(join(tmpdir(), 'plumbline-recordings-'));
after(() => rmSync(profileDirectory, { recursive: true, force: true }));

function value<T>(result: Result<T>): T {
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  return result.value;
}

const isProcess = ({ pid, tgid }: TaskView): boolean => pid === tgid;
const undescribed = (task: TaskView): TaskView => ({ ...task, exe: null, argv: null, cgroup: null, namespaces: null });

test('every kernel of the lab has a recording', () => {
  assert.deepEqual(recordedReleases(), ['5.10', '6.1', '6.12', '7']);
});

for (const release of recordedReleases()) {
  const recording = readRecording(release);
  const view = readView(release);
  keepProfile(recording, profileDirectory);
  const open = (memory = new RecordedMemory(recording.pages)) =>
    value(openRecording(recording, profileDirectory, memory));

  test(`Linux ${release}: everything the live session saw, threads included`, () => {
    const session = open();
    assert.equal(session.profileFrom, 'cache');
    assert.deepEqual(value(viewOf(session)), view);
  });

  test(`Linux ${release}: a sweep without threads leaves out threads and nothing else`, () => {
    const { tasks, sockets, complete, notes } = value(open().sweep());
    assert.deepEqual(tasks, view.tasks.filter(isProcess));
    assert.deepEqual({ sockets, complete, notes }, { sockets: view.sockets, complete: true, notes: [] });
  });

  test(`Linux ${release}: a light sweep shows the same processes without what is costly to read`, () => {
    const { tasks, sockets, complete } = value(open().sweep({ light: true }));
    assert.deepEqual(tasks, view.tasks.filter(isProcess).map(undescribed));
    assert.deepEqual({ sockets, complete }, { sockets: [], complete: true });
  });

  test(`Linux ${release}: what did not change is the same object in the next sweep`, () => {
    const session = open();
    const first = value(session.sweep({ threads: true }));
    // As many sweeps as it takes for every description to be checked against the guest again.
    for (let sweep = 0; sweep < 20; sweep += 1) {
      const next = value(session.sweep({ threads: true }));
      assert.deepEqual([next.tasks.length, next.sockets.length], [first.tasks.length, first.sockets.length]);
      assert.ok(next.tasks.every((task, index) => task === first.tasks[index]));
      assert.ok(next.sockets.every((socket, index) => socket === first.sockets[index]));
      assert.ok(next.complete);
    }
  });

  test(`Linux ${release}: a sweep says what it cost, and a steady one costs less`, () => {
    const memory = new RecordedMemory(recording.pages);
    const session = open(memory);
    const before = memory.reads;
    const first = value(session.sweep());
    assert.equal(memory.reads - before, first.cost.reads);
    const steady = value(session.sweep());
    assert.ok(steady.cost.reads < first.cost.reads, `${steady.cost.reads} reads after ${first.cost.reads}`);
    assert.ok(first.cost.pages <= recording.pages.numbers.length * 2);
  });

  test(`Linux ${release}: a recording survives its file format`, () => {
    const { numbers, bytes, end } = recording.pages;
    const few = { ...recording, pages: { end, numbers: numbers.slice(0, 3), bytes: bytes.slice(0, 3 * 4096) } };
    assert.deepEqual(unpackRecording(packRecording(few)), few);
  });
}
