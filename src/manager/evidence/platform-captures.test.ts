// What platforms captured, kept by the manager: written down once however often it is told, not before there is a store, by nobody else's
// name, and gone when its time is over.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as fc from 'fast-check';
import type { CapturedFile } from '../../connectors/enforcement/packet-capture.ts';
import { silentLog } from '../../kit/log.ts';
import { problem } from '../../kit/problem.ts';
import type { EvidenceItem } from '../../model/evidence.ts';
import { planOf } from '../../sim/simulated-plan.ts';
import { vmId } from '../../sim/simulated-activity.ts';
import { makeAnnouncements } from '../announcements.ts';
import { makeAttachedSentinels } from '../sentinels.ts';
import { openSeals } from '../signing/seals.ts';
import { openStateDirectory, type StateDirectory } from '../state-directory.ts';
import { listEvidence } from '../store/evidence.ts';
import { saveRemediation } from '../store/remediations.ts';
import { openSqliteStore, type Store } from '../store/store.ts';
import { ok } from '../../kit/result.ts';
import { must, until } from '../trial.ts';
import { isOwnHost, ownHost, ownPath } from './own-items.ts';
import { makeCaptureKeeper } from './platform-captures.ts';
import { openOwnItem } from './read-own-item.ts';
import { keepRetention } from './retention.ts';

const directory = mkdtempSync(join(tmpdir(), 'plumbline-captures-'));
const platformFiles = join(directory, 'captures');
const bytes = Buffer.from('packets');
let state: StateDirectory;
let store: Store;

before(async () => {
  state = must(openStateDirectory(join(directory, 'state')));
  store = must(await openSqliteStore({ file: state.fileOf('manager.db'), sizeBytesMax: 2 ** 30 }));
  mkdirSync(join(platformFiles, 'west'), { recursive: true });
  const [step] = planOf(['capture']).steps;
  assert.ok(step !== undefined);
  const whose = { origin: 'person', by: 'ann', alarm: null, group: null, endedAt: null, evidence: '' } as const;
  const begun = { ...whose, state: 'executing', startedAt: '2026-11-22T00:00:00.000Z' } as const;
  const saved = await store.write(async (db) =>
    ok(await saveRemediation(db, { ...begun, id: 'c-1', step: { ...step, id: 'c-1', vm: vmId(1) } })),
  );
  must(saved);
});
after(async () => {
  await store.close();
  state.close();
  rmSync(directory, { recursive: true });
});

const desk = () => ({
  store,
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  log: silentLog,
  announcements: makeAnnouncements(silentLog),
  sentinels: makeAttachedSentinels(() => undefined),
  seals: must(openSeals(state)),
  platformFiles,
});
const listed = async (): Promise<readonly EvidenceItem[]> =>
  must(await store.read(async (db) => await listEvidence(db, { limit: 100 }))).items;

function fileNamed(name: string, id: string): CapturedFile {
  const path = join(platformFiles, 'west', name);
  writeFileSync(path, bytes);
  const times = { from: '2026-11-22T00:00:00.000Z', until: '2026-11-22T00:00:01.000Z' };
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const measured = { sizeBytes: bytes.length, packets: 1, sha256, dropped: null };
  return { id, interface: '4000', path, ...times, ...measured, endedBy: 'time' };
}

test('told twice it is kept once, not before there is a store, and goes when its time is over', async () => {
  const keeper = makeCaptureKeeper(platformFiles, 1000);
  const keeping = keeper.keepingOf('west');
  const file = fileNamed('c-1-4000.pcap', 'c-1');
  assert.equal(await keeping.collected(file, ''), false);
  keeper.begin(desk());
  assert.equal(await keeping.collected(file, 'NSX said so'), true);
  assert.equal(await keeping.collected(file, ''), true);
  const [item, more] = await listed();
  assert.ok(item !== undefined && more === undefined);
  assert.deepEqual([item.host, item.vm, item.step, item.name], ['platform:west', vmId(1), 'c-1', 'c-1-4000.pcap']);
  assert.match(item.note, /^1 packets at card 4000 from .* ended by time; NSX said so$/);
  assert.equal(await keeping.lost('c-1', '4001', problem('failed', 'It broke.')), true);
  assert.deepEqual(
    (await listed()).map(({ state: how, note }) => `${how} ${note}`).filter((line) => line.startsWith('lost')),
    ['lost It broke.'],
  );
  // Of an order that nobody gave there is no item.
  assert.equal(await keeping.collected(fileNamed('x-4000.pcap', 'x'), ''), true);
  assert.equal((await listed()).length, 2);

  const retention = keepRetention(desk(), { ageMsMax: 1, bytesMax: 1000 });
  retention.wake();
  await until('it is removed', async () => (await listed()).some(({ state: how }) => how === 'removed'));
  await retention.close();
  assert.equal(existsSync(file.path), false);
  const removed = (await listed()).find(({ state: how }) => how === 'removed');
  assert.deepEqual([removed?.id, removed?.removedBy], [item.id, 'age']);
});

test('there is room for so many bytes and no more, and it is said what makes more', () => {
  const { room } = makeCaptureKeeper(platformFiles, 1000).keepingOf('east');
  const refused = room.take('c-1-4000', 1001);
  assert.ok(!refused.ok && /1001 bytes of captured packets/.test(refused.error.message), JSON.stringify(refused));
  assert.match(refused.error.mend ?? '', /unhold/);
});

test('no name of an item leads out of its platform’s directory, and no other host is taken for a platform', async () => {
  const [given] = await listed();
  assert.ok(given !== undefined);
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.constantFrom('..', '../west', '.', 'a/b', ''),
  );
  await fc.assert(
    fc.asyncProperty(hostile, hostile, fc.boolean(), async (name, host, isOwn) => {
      const item = { ...given, host: isOwn ? ownHost(host) : host };
      const path = ownPath(platformFiles, { item, reportedAs: name });
      if (path !== null) assert.match(path.slice(platformFiles.length), /^\/[a-z0-9][a-z0-9._-]*\/[A-Za-z0-9][\w.-]*$/);
      if (isOwnHost(host)) return;
      assert.ok(isOwn || path === null);
      const opened = await openOwnItem(platformFiles, { item, reportedAs: name });
      assert.equal(opened.isThere, false);
    }),
  );
});
