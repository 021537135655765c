// A database of the first version, opened by this one: nothing of it is lost or left unreadable.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AnswerMemory } from './answers/answer-memory.ts';
import { type Database, openDatabase } from './database.ts';
import { Spool } from './post/spool.ts';

function open(dir: string): Database {
  const opened = openDatabase(join(dir, 'sentinel.db'));
  assert.ok(opened.ok);
  return opened.value;
}

test('answers and batches of the first version are read as the steps they carried out', () => {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-upgrade-'));
  try {
    const first = open(dir);
    const plan = { id: 'p', vm: 'name:x', action: 'suspend', why: '', expect: 'paused', undo: 'resume' };
    const old = { id: 'p', plan, state: 'executing' };
    const body = { sentinel: 's', seq: 1, remediations: [old] };
    first.sqlite.prepare('INSERT INTO answer VALUES (?, ?, 1)').run('p', JSON.stringify(old));
    first.sqlite.prepare('INSERT INTO batch VALUES (1, ?, 1, 1, 0)').run(JSON.stringify(body));
    first.sqlite.exec('PRAGMA user_version = 0');
    first.close();

    const now = { id: 'p', state: 'executing', step: plan };
    for (const _ of ['upgraded', 'opened again']) {
      const database = open(dir);
      assert.deepEqual(new AnswerMemory(database).unfinished(), { ok: true, value: [now] });
      const clock = { now: () => 2, monotonic: () => 2 };
      const batch = new Spool(database, clock).oldest();
      assert.deepEqual(batch.ok && batch.value?.remediations, [now]);
      database.close();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
