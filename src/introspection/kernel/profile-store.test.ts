// Kernel profiles on disk: found by the build id they claim, ignored when damaged, foreign or of another format.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { wanted } from './kernel-profile.ts';
import type { KernelProfile } from './kernel-profile.ts';
import { loadProfile, saveProfile } from './profile-store.ts';

const root = mkdtempSync(join(tmpdir(), 'plumbline-store-'));
after(() => rmSync(root, { recursive: true, force: true }));

const number = (names: readonly string[]): Record<string, number> =>
  Object.fromEntries(names.map((name, index) => [name, 8 * index]));
const profile = {
  buildId: 'ab'.repeat(20),
  buildIdOffset: 0x13ba_f80,
  banner: 'Linux version 6.1.0 (test)',
  symbols: number(wanted.requiredSymbols),
  fields: number(Object.keys(wanted.requiredFields)),
  functionEnds: { proc_exec_connector: 0x1200 },
  perCpu: { current_task: 0x1f0c0 },
  bits: { 'task_struct.in_execve': 77 },
  sizes: { upid: 16 },
} as unknown as KernelProfile;

const directory = join(root, 'kernels');
const running = (offset: number): string | null => (offset === profile.buildIdOffset ? profile.buildId : null);
const file = (): string => join(directory, readdirSync(directory)[0] ?? '');

beforeEach(() => {
  rmSync(directory, { recursive: true, force: true });
  saveProfile(directory, profile);
});

test('what was kept is found again, and is small', () => {
  assert.deepEqual(loadProfile(directory, running), profile);
  assert.ok(statSync(file()).size < 8192);
  assert.equal(readdirSync(directory).length, 1);
});

test('another build finds nothing', () => {
  assert.equal(
    loadProfile(directory, () => 'cd'.repeat(20)),
    null,
  );
  assert.equal(
    loadProfile(directory, () => null),
    null,
  );
  assert.equal(loadProfile(join(root, 'nowhere'), running), null);
});

const damages: readonly (readonly [string, (text: string) => string])[] = [
  ['cut off', (text) => text.slice(0, 300)],
  ['empty', () => ''],
  ['not an object', () => '[1]'],
  ['another format', (text) => text.replace('"format":"', '"format":"other')],
  ['another build inside', (text) => text.replace('abab', 'cdcd')],
  ['a field missing', (text) => text.replace('"task_struct.pid"', '"task_struct.pip"')],
  ['a negative offset', (text) => text.replace('"task_struct.tgid":16', '"task_struct.tgid":-16')],
  ['an offset that is text', (text) => text.replace('"task_struct.tgid":16', '"task_struct.tgid":"16"')],
  ['far too large', (text) => text + ' '.repeat(100_000)],
];

for (const [title, damage] of damages) {
  test(`a damaged file counts as absent: ${title}`, () => {
    const text = readFileSync(file(), 'utf8');
    assert.notEqual(damage(text), text);
    writeFileSync(file(), damage(text));
    assert.equal(loadProfile(directory, running), null);
  });
}
