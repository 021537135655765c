// Reading recordings: plain and gzip, good lines and bad ones, endless lines and broken files.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { EventLine } from './event-decoder.ts';
import { readEvents } from './read-events.ts';
import { lineBytesMax, splitLines } from './split-lines.ts';

const directory = await mkdtemp(join(tmpdir(), 'plumbline-ndjson-'));
after(() => rm(directory, { recursive: true }));

async function read(name: string, content: string | Uint8Array): Promise<EventLine[]> {
  const path = join(directory, name);
  await writeFile(path, content);
  return Array.fromAsync(readEvents(path));
}

function saying({ line, result }: EventLine): string {
  return result.ok ? `${line} ok` : `${line} ${result.error.message.replaceAll(directory, '')}`;
}

const good = `{"host":"web1","kind":"process_start","ts":"2026-11-21T19:37:35Z","exe":"/bin/sh","label":"attack"}`;

test('good lines, plain and gzip, without the labels for scoring', async () => {
  for (const lines of [
    await read('a.ndjson', `${good}\n\n${good}`),
    await read('a.ndjson.gz', gzipSync(`${good}\n\n${good}\n`)),
  ]) {
    assert.deepEqual(lines.map(saying), ['1 ok', '3 ok']);
    const expected = { host: 'web1', kind: 'process_start', ts: '2026-11-21T19:37:35Z', exe: '/bin/sh' };
    assert.deepEqual(lines[0]?.result, { ok: true, value: expected });
  }
});

test('a bad line is a value with its place, and the rest is read', async () => {
  const lines = await read(
    'b.ndjson',
    ['{', '[]', '{"kind":"file"}', '{"host":"x","kind":"dance"}', '{"host":7,"kind":"file"}', good].join('\n'),
  );
  const said = lines.map(saying);
  assert.match(said[0] ?? '', /1 \/b\.ndjson:1 is not JSON/);
  assert.match(said[1] ?? '', /2 .*:2 is not a JSON object/);
  assert.match(said[2] ?? '', /3 .*:3 has no host/);
  assert.match(said[3] ?? '', /4 .*:4 has an unusable kind/);
  assert.match(said[4] ?? '', /5 .*:5 has an unusable host/);
  assert.equal(said[5], '6 ok');
});

test('a field that cannot be used is unknown and named', async () => {
  const [line] = await read(
    'c.ndjson',
    '{"host":"x","kind":"net_connect","ts":"Fri Feb 11 19:23:39 UTC 2022","remotePort":99999,"pid":"7","exe":null}',
  );
  assert.deepEqual(line?.result, { ok: true, value: { host: 'x', kind: 'net_connect' } });
  assert.deepEqual([...(line?.unusable ?? [])].sort(), ['pid', 'remotePort', 'ts']);
});

test('an endless line is given up, the next one is read', async () => {
  const lines = await read('d.ndjson', `${good}\n${'x'.repeat(3 * lineBytesMax)}\n${good}`);
  assert.deepEqual(lines.map(saying), ['1 ok', `2 /d.ndjson:2 is longer than ${lineBytesMax} bytes.`, '3 ok']);
});

test('files that are missing, cut off or no gzip are values too', async () => {
  const missing = await Array.fromAsync(readEvents(join(directory, 'none')));
  assert.deepEqual(missing.map(saying), ['0 There is no file /none.']);
  const [notGzip] = await read('e.gz', 'not gzip');
  assert.equal(notGzip?.line, 0);
  assert.ok(notGzip !== undefined && !notGzip.result.ok && notGzip.result.error.kind === 'unreadable');
  const whole = gzipSync(`${good}\n`.repeat(50_000));
  const cut = await read('f.gz', whole.subarray(0, whole.length - 20));
  assert.ok(cut.length > 1 && cut[0]?.result.ok === true);
  assert.match(saying(cut.at(-1) ?? assert.fail('nothing was read')), /behind line/);
});

test('lines do not depend on how the bytes arrive', async () => {
  const text = 'ä\n\nb€\nlast';
  const bytes = new TextEncoder().encode(text);
  for (const size of [1, 2, 3, 100]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    );
    const lines = await Array.fromAsync(splitLines(arriving(chunks)));
    assert.deepEqual(lines, text.split('\n'));
  }
});

async function* arriving(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}
