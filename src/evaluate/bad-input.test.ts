// Recordings as they should not be: everything odd is counted with its place, and the rest is scored.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { evaluate } from './evaluate.ts';
import type { InputNote } from './input-notes.ts';

const directory = await mkdtemp(join(tmpdir(), 'plumbline-bad-input-'));
after(() => rm(directory, { recursive: true }));

const good = { host: 'a', kind: 'process_start', exe: '/usr/bin/x', cmdline: 'x', role: 'learn' };
const goodLine = JSON.stringify(good);

async function notesOn(name: string, content: string | Uint8Array): Promise<readonly InputNote[]> {
  const learn = join(directory, 'good.ndjson');
  await writeFile(learn, goodLine);
  const path = join(directory, name);
  await writeFile(path, content);
  const evaluation = await evaluate({ learn: [learn, path], test: [path] });
  assert.ok(evaluation.ok, `${name} ended the evaluation`);
  assert.ok(evaluation.value.data.learned >= 1);
  return evaluation.value.data.notes.map((note) => ({ ...note, first: note.first.replace(`${directory}/`, '') }));
}

function lines(...events: readonly object[]): string {
  return events.map((event) => JSON.stringify(event)).join('\n');
}

const bad = [
  ['cut.ndjson.gz', gzipSync(`${goodLine}\n`.repeat(20_000)).subarray(0, -20), /behind line N cannot be read/, 1],
  ['none.ndjson.gz', 'no gzip at all', /cannot be read/, 1],
  ['types.ndjson', `[1]\n7\n"x"\nnull\n${goodLine}`, /is not a JSON object/, 4],
  ['fields.ndjson', lines({ ...good, pid: 'seven' }, { ...good, pid: 1.5 }), /The field pid could not be used/, 2],
  ['kind.ndjson', lines({ ...good, kind: 'dance' }), /unusable kind/, 1],
  ['long.ndjson', `${goodLine}\n${'x'.repeat(10 * 1024 * 1024)}\n${goodLine}`, /is longer than/, 1],
  ['binary.ndjson', Uint8Array.from({ length: 4096 }, (_, i) => (i * 7) % 251), /is not JSON/, 17],
  [
    'clock.ndjson',
    lines({ ...good, ts: '2026-11-21T10:00:00Z' }, { ...good, ts: '2026-11-21T09:00:00Z' }),
    /clock of the host went backwards/,
    1,
  ],
  ['pids.ndjson', lines({ ...good, pid: 5, ppid: 1 }, { ...good, pid: 5, ppid: 2 }), /had not ended/, 1],
  ['times.ndjson', lines({ ...good, ts: 'Fri Feb 11 19:23:39 UTC 2022' }), /The field ts could not be used/, 1],
  ['lacking.ndjson', lines({ host: 'a', kind: 'net_connect', role: 'learn' }), /without proto/, 1],
] as const;

for (const [name, content, reason, count] of bad) {
  test(`${name} is counted and reported by line`, async () => {
    const notes = await notesOn(name, content);
    const note = notes.find((each) => reason.test(each.reason));
    assert.equal(note?.count, count, JSON.stringify(notes));
    assert.match(note.first, new RegExp(`^${name}:\\d+$`));
    assert.equal(notes.length, 1, JSON.stringify(notes));
  });
}

test('a process that runs one program after the other is no second process', async () => {
  const events = lines({ ...good, pid: 5, ppid: 1 }, { ...good, pid: 5, ppid: 1 }, { ...good, pid: 6, ppid: 5 });
  assert.deepEqual(await notesOn('exec.ndjson', events), []);
});
