// Replay: what is counted, what is skipped and why, and that a file that cannot be read is no quiet day.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Manifest } from '../model/manifest.ts';
import { replay } from './replay.ts';

const directory = await mkdtemp(join(tmpdir(), 'plumbline-replay-'));
after(() => rm(directory, { recursive: true }));

const manifest: Manifest = {
  format: 'plumbline.manifest/1',
  vm: 'name:web1',
  vmName: 'web1',
  scope: 'shop',
  service: 'web',
  mode: 'detect',
  generation: 1,
  issuedAt: '2026-11-21T00:00:00.000Z',
  entries: [
    {
      id: 'e1',
      behaviour: { kind: 'listen', exe: '/usr/sbin/nginx', proto: 'tcp', port: '80' },
      provenance: { kind: 'declared', at: '2026-11-21T00:00:00.000Z' },
    },
  ],
  orders: [],
};

const events = [
  { kind: 'net_listen', exe: '/usr/sbin/nginx', proto: 'tcp', localPort: 80 },
  { kind: 'net_listen', exe: '/usr/bin/nc', proto: 'tcp', localPort: 4444, ts: '2026-11-21T10:00:00Z' },
  { kind: 'net_listen', exe: '/usr/bin/nc', proto: 'tcp', localPort: 4444, ts: '2026-11-21T09:00:00Z' },
  { kind: 'net_listen', exe: '/usr/bin/nc', proto: 'tcp', localPort: 4444, host: 'web2', ts: 'yesterday' },
  { kind: 'process_exit', exe: '/usr/bin/nc' },
  { kind: 'process_exit', exe: '/usr/bin/nc' },
  { kind: 'loss', until: '2026-11-21T10:00:00Z' },
].map((event) => JSON.stringify({ host: 'web1', ...event }));

test('deviations are grouped by host and cause, everything else is counted', async () => {
  const file = join(directory, 'a.ndjson');
  await writeFile(file, [...events, 'rubbish', 'more rubbish'].join('\n'));
  const report = await replay({ files: [file], manifest });
  assert.ok(report.ok);
  const { findings, skipped, ...counts } = report.value;
  assert.deepEqual(counts, {
    lines: 9,
    judged: 4,
    allowed: 1,
    deviations: 3,
    findingsDropped: 0,
    losses: 1,
    unusableFields: [{ field: 'ts', count: 1 }],
  });
  assert.deepEqual(
    findings.map(({ host, count, firstAt }) => [host, count, firstAt]),
    [
      ['web1', 2, '2026-11-21T09:00:00.000Z'],
      ['web2', 1, '1970-01-01T00:00:00.000Z'],
    ],
  );
  assert.deepEqual(
    skipped.map(({ reason, count, first }) => [reason, count, first]),
    [
      ['The line is not JSON.', 2, `${file}:8`],
      ['kind process_exit is not learned or judged.', 2, `${file}:5`],
    ],
  );
});

test('several files are one replay; one that is missing ends it', async () => {
  const file = join(directory, 'b.ndjson');
  await writeFile(file, events.join('\n'));
  const twice = await replay({ files: [file, file], manifest });
  assert.ok(twice.ok && twice.value.deviations === 6 && twice.value.findings.length === 2);
  const missing = await replay({ files: [file, join(directory, 'none')], manifest });
  assert.ok(!missing.ok && missing.error.kind === 'not-found');
});

test('a manifest that cannot be used is a problem, not a quiet day', async () => {
  const [entry] = manifest.entries;
  assert.ok(entry !== undefined);
  const broken = { ...entry, behaviour: { ...entry.behaviour, exe: '/a<b' } };
  const report = await replay({ files: [], manifest: { ...manifest, entries: [broken] } });
  assert.ok(!report.ok && report.error.message.includes('e1'));
});
