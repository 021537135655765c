// The spool over restarts, acknowledgements, limits and full disks.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import type { SentinelBatch } from '../../wire/messages.ts';
import { Database, openDatabase } from '../database.ts';
import { type NewBatch, Spool } from './spool.ts';

const vm = '00000000-0000-4000-8000-000000000001';
const at = '2026-01-01T00:00:00.000Z';

function batchOf(items: number, seconds = 1): NewBatch {
  const image = { exe: '/bin/x', deleted: false, argv: ['x'.repeat(1000)], uid: 0, euid: 0 };
  const activity = {
    kind: 'process',
    vm,
    at,
    evidence: 'outside',
    pid: 1,
    ppid: 0,
    image,
    parent: null,
    ancestors: [],
  } as const;
  const observed = Array.from({ length: items }, () => ({
    activity: { ...activity, ancestors: [] },
    count: 1,
    firstAt: at,
    lastAt: at,
  }));
  return {
    sentinel: 's',
    sentAt: at,
    observed: [{ vm, items: observed }],
    coverage: [{ vm, observedSeconds: seconds, lossSeconds: 0, missed: 0 }],
    findings: [],
    guard: [{ vm, at, what: 'lost-sight', detail: 'kept through thinning' }],
    remediations: [],
  };
}

suite('spool', () => {
  let dir = '';
  let nowMs = 1_800_000_000_000;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  let open: Database[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'plumbline-spool-'));
    open = [];
  });
  afterEach(() => {
    for (const database of open) database.close();
    rmSync(dir, { recursive: true, force: true });
  });

  function database(): Database {
    const opened = openDatabase(join(dir, 'sentinel.db'));
    assert.ok(opened.ok, opened.ok ? '' : opened.error.message);
    open.push(opened.value);
    return opened.value;
  }

  function kept(spool: Spool, batch: NewBatch): number {
    const seq = spool.keep(batch);
    assert.ok(seq.ok, seq.ok ? '' : seq.error.message);
    return seq.value;
  }

  function oldest(spool: Spool): SentinelBatch | null {
    const batch = spool.oldest();
    assert.ok(batch.ok);
    return batch.value;
  }

  test('numbers rise over acknowledgement, restart and a lost database', () => {
    const first = database();
    const spool = new Spool(first, clock);
    const one = kept(spool, batchOf(1));
    assert.ok(spool.acknowledge(one).ok);
    assert.equal(oldest(spool), null);
    first.close();
    const again = new Spool(database(), clock);
    const two = kept(again, batchOf(1));
    assert.equal(two, one + 1);
    assert.equal(oldest(again)?.seq, two);
    open.at(-1)?.close();
    for (const ending of ['', '-wal', '-shm']) rmSync(join(dir, `sentinel.db${ending}`), { force: true });
    nowMs += 5000;
    assert.ok(kept(new Spool(database(), clock), batchOf(1)) > two);
  });

  test('over its bytes the oldest observations become losses and nothing else gives way', () => {
    const spool = new Spool(database(), clock, { bytesMax: 20_000 });
    const first = kept(spool, batchOf(10));
    kept(spool, batchOf(10));
    kept(spool, batchOf(2));
    const batch = oldest(spool);
    assert.equal(batch?.seq, first);
    assert.deepEqual(batch?.observed, []);
    assert.deepEqual(batch?.coverage, [{ vm, observedSeconds: 1, lossSeconds: 1, missed: 10 }]);
    assert.equal(batch?.guard.length, 1);
    assert.ok(spool.health().thinned >= 1);
    assert.equal(spool.health().dropped, 0);
    assert.ok(spool.health().bytes <= 20_000);
  });

  test('what is too old is dropped, and the next batch says so', () => {
    const spool = new Spool(database(), clock, { ageMsMax: 60_000 });
    kept(spool, batchOf(3, 5));
    nowMs += 61_000;
    const next = kept(spool, batchOf(0, 1));
    kept(spool, batchOf(0, 2));
    assert.equal(oldest(spool)?.seq, next);
    assert.equal(spool.health().dropped, 1);
    spool.acknowledge(next);
    assert.deepEqual(oldest(spool)?.coverage, [{ vm, observedSeconds: 7, lossSeconds: 5, missed: 3 }]);
  });

  test('a full disk is a clear problem and keeps what was there', () => {
    const base = database();
    const spool = new Spool(base, clock);
    const seq = kept(spool, batchOf(1));
    const pages = base.sqlite.prepare('PRAGMA page_count').get()?.['page_count'];
    base.sqlite.exec(`PRAGMA max_page_count = ${Number(pages)}`);
    const refused = spool.keep(batchOf(500));
    assert.ok(!refused.ok);
    assert.match(refused.error.message, /disk is full/);
    assert.equal(spool.health().batches, 1);
    base.sqlite.exec('PRAGMA max_page_count = 1000000');
    assert.equal(kept(spool, batchOf(1)), seq + 1);
  });

  test('a second sentinel on the same file, and a damaged file, are refused in words', () => {
    database();
    const second = openDatabase(join(dir, 'sentinel.db'));
    assert.ok(!second.ok);
    assert.match(second.error.message, /in use by another sentinel/);
    writeFileSync(join(dir, 'bad.db'), 'this is no database at all, but long enough to be looked at as one'.repeat(50));
    const bad = openDatabase(join(dir, 'bad.db'));
    assert.ok(!bad.ok);
    assert.match(bad.error.message, /damaged/);
  });
});
