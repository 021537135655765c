// SQLite as the store: the common suite, and each way its file can fail.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { ok, type Result } from '../../kit/result.ts';
import { Kysely } from 'kysely';
import { alarmNumber, vmId } from '../../sim/simulated-activity.ts';
import { checkStore } from './store-suite.test.ts';
import { listAlarms, saveAlarm } from './alarms.ts';
import { migrations } from './migrations.ts';
import { sqliteDialect } from './sqlite-dialect.ts';
import { openSqliteStore, type Store } from './store.ts';

const folder = mkdtempSync(join(tmpdir(), 'plumbline-store-'));
after(() => rmSync(folder, { recursive: true, force: true }));

let made = 0;
function newFile(): string {
  made += 1;
  return join(folder, `store-${made}.db`);
}

const sizeBytesMax = 64 * 1024 * 1024;

async function openAt(file: string, most = sizeBytesMax): Promise<Store> {
  const opened = await openSqliteStore({ file, sizeBytesMax: most });
  assert.ok(opened.ok, JSON.stringify(opened));
  return opened.value;
}

checkStore('sqlite', async () => {
  const file = newFile();
  return { store: await openAt(file), reopen: async () => await openAt(file) };
});

function problemIn(result: Result<unknown>) {
  assert.ok(!result.ok, 'it worked');
  assert.ok(result.error.mend !== undefined, 'no mend');
  return result.error;
}

async function fill(store: Store, from: number, to: number): Promise<Result<null>> {
  return await store.write(async (db) => {
    for (let n = from; n < to; n += 1) await saveAlarm(db, alarmNumber(n));
    return ok(null);
  });
}

test('it is durable: write-ahead log, synchronous commits, foreign keys', async () => {
  const file = newFile();
  const store = await openAt(file);
  const other = new DatabaseSync(file);
  assert.deepEqual({ ...other.prepare('PRAGMA journal_mode').get() }, { journal_mode: 'wal' });
  other.close();
  // 2 = FULL (https://www.sqlite.org/pragma.html#pragma_synchronous): asked on the store's own connection, where it holds.
  const { sql } = await import('kysely');
  const asked = await store.read(async (db) => await sql<{ synchronous: number }>`PRAGMA synchronous`.execute(db));
  assert.ok(asked.ok && asked.value.rows[0]?.synchronous === 2);
  const orphan = await store.write(async (db) => {
    await db
      .insertInto('services')
      .values({ scope: 'none', name: 'x', description: '', rules: '[]', sight: 'sweeps', response: null })
      .execute();
    return ok(null);
  });
  assert.ok(!orphan.ok);
  await store.close();
});

test('a full disk is one Problem, and what was there stays readable', async () => {
  const file = newFile();
  const store = await openAt(file, 600 * 1024);
  assert.ok((await fill(store, 0, 20)).ok);
  const full = problemIn(await fill(store, 20, 5000));
  assert.match(full.message, /disk or its size limit is full\. Nothing was changed/);
  const page = await store.read(async (db) => await listAlarms(db, { limit: 100 }));
  assert.ok(page.ok && page.value.total === 20);
  await store.close();
  const again = await openAt(file);
  assert.ok((await fill(again, 20, 40)).ok);
  await again.close();
});

test('a damaged database, and a file that is none, are said to be so', async () => {
  const none = newFile();
  writeFileSync(none, 'This is a letter, not a database. '.repeat(100));
  assert.match(
    problemIn(await openSqliteStore({ file: none, sizeBytesMax })).message,
    /damaged or is not a Plumbline database/,
  );
  const torn = newFile();
  const store = await openAt(torn);
  assert.ok((await fill(store, 0, 300)).ok);
  await store.close();
  truncateSync(torn, 100 * 1024);
  assert.equal(problemIn(await openSqliteStore({ file: torn, sizeBytesMax })).kind, 'unreadable');
});

test('a place that cannot be written is said to be so', async () => {
  const places: readonly (readonly [string, RegExp])[] = [
    ['/sys/plumbline.db', /cannot be written|cannot be opened/],
    [join(folder, 'none', 'store.db'), /cannot be opened/],
    [folder, /cannot be opened/],
  ];
  for (const [file, message] of places)
    assert.match(problemIn(await openSqliteStore({ file, sizeBytesMax })).message, message);
});

test('a database of a newer version is left alone', async () => {
  const file = newFile();
  await (await openAt(file)).close();
  const newer = new DatabaseSync(file);
  newer.exec(`INSERT INTO kysely_migration VALUES ('9999-later', '2027-01-01T00:00:00.000Z')`);
  newer.close();
  const refused = problemIn(await openSqliteStore({ file, sizeBytesMax }));
  assert.match(refused.message, /newer Plumbline/);
});

test('remediations of the first version are read as the steps they carried out', async () => {
  const sqlite = new DatabaseSync(':memory:');
  sqlite.exec('CREATE TABLE remediations (id TEXT, doc TEXT)');
  const step = { id: 'p', vm: vmId(1), action: 'suspend' };
  sqlite.prepare('INSERT INTO remediations VALUES (?, ?)').run('p', JSON.stringify({ id: 'p', plan: step }));
  const db = new Kysely<never>({ dialect: sqliteDialect(sqlite) });
  for (const _ of ['once', 'and again, which changes nothing']) {
    await migrations['0003-steps']?.up(db);
    const [row] = sqlite.prepare('SELECT doc FROM remediations').all();
    assert.deepEqual(JSON.parse(String(row?.['doc'])), { id: 'p', step });
  }
  await db.destroy();
});
