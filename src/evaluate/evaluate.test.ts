// Scoring a small recording of which every figure is known by hand.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { evaluate } from './evaluate.ts';
import type { Evaluation } from './evaluation.ts';

const directory = await mkdtemp(join(tmpdir(), 'plumbline-evaluate-'));
after(() => rm(directory, { recursive: true }));

type Line = Readonly<Record<string, unknown>>;

function at(seconds: number): string {
  return new Date(Date.UTC(2026, 10, 21) + seconds * 1000).toISOString();
}

function start(seconds: number, parentExe: string, exe: string, cmdline: string, more: Line = {}): Line {
  return { ts: at(seconds), host: 'web1', kind: 'process_start', parentExe, exe, cmdline, uid: 0, rec: 'r', ...more };
}

const learn = { role: 'learn' };
const harmless = { role: 'test' };
const change = { role: 'change' };
const strange = (run: string, pid: number, ppid: number): Line => ({ role: 'attack', test: run, pid, ppid });

const day: readonly Line[] = [
  // Two programs, twice each; the job runner starts most and is where an attacker would live.
  start(0, '/usr/bin/jobs', '/usr/bin/report', 'report --daily', { ...learn, pid: 11, ppid: 10 }),
  start(10, '/usr/bin/jobs', '/usr/bin/report', 'report --daily', { ...learn, pid: 12, ppid: 10 }),
  start(20, '/usr/bin/jobs', '/usr/bin/sweep', 'sweep all', { ...learn, pid: 13, ppid: 10 }),
  start(30, '/usr/bin/jobs', '/usr/bin/sweep', 'sweep all', { ...learn, pid: 14, ppid: 10 }),
  // One false group, seen twice; half a day.
  start(100, '/usr/bin/jobs', '/usr/bin/report', 'report --daily', harmless),
  start(110, '/usr/bin/jobs', '/usr/bin/yearly', 'yearly 1', harmless),
  start(120, '/usr/bin/jobs', '/usr/bin/yearly', 'yearly 2', harmless),
  start(100 + 43_200, '/usr/bin/jobs', '/usr/bin/report', 'report --daily', harmless),
  // A change of two groups, of which one allow takes one.
  start(50_000, '/sbin/init', '/opt/new/first', 'first', change),
  start(50_001, '/sbin/init', '/opt/new/second', 'second', change),
  // Only its entry: an unknown program and nothing below it.
  start(60_000, '/sbin/init', '/tmp/x', 'x', strange('entry', 100, 1)),
  // Behind the entry a known program with known arguments, whose parent then is the job runner: not to be found.
  start(60_100, '/sbin/init', '/tmp/x', 'x', strange('hidden', 200, 1)),
  start(60_104, '/tmp/x', '/usr/bin/report', 'report --daily', strange('hidden', 201, 200)),
  // Behind the entry a known program with other arguments.
  start(60_200, '/usr/bin/jobs', '/usr/bin/sweep', 'sweep all', strange('argument', 300, 10)),
  start(60_203, '/usr/bin/sweep', '/usr/bin/report', 'report --steal', strange('argument', 301, 300)),
];

async function evaluated(lines: readonly (Line | string)[], poison?: number): Promise<Evaluation> {
  const path = join(directory, 'day.ndjson');
  await writeFile(path, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  const input = { learn: [path], test: [path] };
  const evaluation = await evaluate(poison === undefined ? input : { ...input, poison: { share: poison, seed: 1 } });
  assert.ok(evaluation.ok, evaluation.ok ? '' : evaluation.error.message);
  return evaluation.value;
}

function hits(each: { readonly hit: number; readonly of: number } | null): readonly number[] | null {
  return each === null ? null : [each.hit, each.of];
}

test('every figure of a day known by hand', async () => {
  const { product, baselines, data } = await evaluated(day);
  assert.deepEqual(
    [data.events, data.learned, data.hosts, data.learnSeconds, data.testSeconds, data.notes],
    // The change lasted one second, which is no harmless time.
    [day.length, 4, 1, 30, 43_199, []],
  );
  assert.equal(product.falseAlarmGroups, 1);
  assert.deepEqual(product.perHost, { web1: { falseAlarmGroups: 1, newPeerGroups: 0 } });
  assert.equal(product.falseAlarmsPerHostDay?.value, 1 / (43_199 / 86_400));
  assert.equal(product.falsePer1000Starts?.value, 250);
  assert.deepEqual(product.change, { undeclared: 2, declared: 0, afterOneAllow: 1 });
  const { detection, timeToDetect } = product;
  assert.deepEqual(hits(detection.entry), [3, 3]);
  assert.deepEqual(hits(detection.postEntry), [1, 2]);
  assert.deepEqual(hits(detection.argumentOnly), [1, 2]);
  assert.deepEqual([detection.excluded, detection.unjudged], [1, 0]);
  // /tmp/x from init twice is one group; the reports with another parent are two.
  assert.equal(product.precision, 3 / 4);
  assert.deepEqual(
    [timeToDetect.eventsMedian, timeToDetect.eventsP95, timeToDetect.secondsMedian, timeToDetect.secondsP95],
    [0, 1, 0, 3],
  );
  assert.deepEqual(hits(baselines['exe']?.detection.entry ?? null), [2, 3]);
  assert.deepEqual(hits(baselines['parentExe']?.detection.entry ?? null), [3, 3]);
  assert.deepEqual(hits(baselines['parentExeArgs']?.detection.postEntry ?? null), [1, 2]);
  assert.equal(baselines['exeRemote']?.precision, null);
  assert.deepEqual(
    Object.values(baselines).map(({ falseAlarmGroups }) => falseAlarmGroups),
    [1, 1, 1, 0],
  );
});

test('what is scored never depends on the labels', async () => {
  const marks = ['label', 'rec', 'technique', 'cand', 'phase'];
  const relabelled = day.map((line, i) => ({
    ...line,
    ...Object.fromEntries(marks.map((mark) => [mark, `${mark}${line['role'] === 'attack' ? '' : i % 3}`])),
  }));
  const [plain, other] = [await evaluated(day), await evaluated(relabelled)];
  assert.equal(other.product.falseAlarmGroups, plain.product.falseAlarmGroups);
  assert.deepEqual(other.product.detection, plain.product.detection);
  assert.deepEqual(other.product.roc, plain.product.roc);
});

test('poison is learned, and what is then no longer found is said', async () => {
  const { product, baselines } = await evaluated(day, 1);
  assert.equal(product.poison?.techniques, 3);
  // A learner that remembers all it sees finds none of what it was taught.
  assert.deepEqual(baselines['parentExeArgs']?.poison, { techniques: 3, heldOrDetected: 0, extraFalseGroups: 0 });
});

test('segments are scored by themselves, at every threshold', async () => {
  const commands = (seg: number, role: string, names: readonly string[]): Line[] =>
    names.map((exe) => ({ host: 'u', kind: 'process_start', exe, seg, role }));
  const { baselines } = await evaluated([
    ...commands(0, 'learn', ['ls', 'cat', 'ls']),
    ...commands(1, 'test', ['ls', 'ls', 'cat']),
    ...commands(2, 'test', ['ls', 'vi', 'cat']),
    ...commands(3, 'attack', ['nc', 'vi', 'gcc']),
    ...commands(4, 'attack', ['ls', 'cat', 'gcc']),
  ]);
  assert.deepEqual(baselines['exe']?.roc, [
    { threshold: 1, hit: 1, falseAlarm: 0.5 },
    { threshold: 3, hit: 0.5, falseAlarm: 0 },
  ]);
});

test('a recording without roles is learned and scored as it was named', async () => {
  const learnFile = join(directory, 'learn.ndjson');
  const testFile = join(directory, 'test.ndjson');
  const line = { host: 'a', kind: 'process_start', exe: '/usr/bin/x', cmdline: 'x' };
  await writeFile(learnFile, JSON.stringify(line));
  await writeFile(testFile, JSON.stringify({ ...line, exe: '/usr/bin/y' }));
  const evaluation = await evaluate({ learn: [learnFile], test: [testFile] });
  assert.ok(evaluation.ok);
  assert.equal(evaluation.value.product.falseAlarmGroups, 1);
  assert.equal(evaluation.value.product.falseAlarmsPerHostDay, null);
  const empty = await evaluate({ learn: [testFile, join(directory, 'none')], test: [testFile] });
  assert.ok(!empty.ok && empty.error.kind === 'not-found');
});
