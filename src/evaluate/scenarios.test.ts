// Plays the golden stories in scenarios/ and compares what an operator would read. UPDATE=1 rewrites the expectations.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Manifest, ManifestEntry } from '../model/manifest.ts';
import type { Activity } from '../model/observation.ts';
import { describeBehaviour } from '../pattern/describe.ts';
import { readEvents } from '../sensors/ndjson/read-events.ts';
import { allowEntry, draft } from '../stages/draft/draft.ts';
import { emptyProfile, learn } from '../stages/learn/learn.ts';
import { normalise } from '../stages/normalise/normalise.ts';
import { type ReplayFinding, type ReplayReport, replay } from './replay.ts';

const stories = join(import.meta.dirname, '../../scenarios');
const vm = 'name:web1';

async function activitiesIn(path: string): Promise<Activity[]> {
  const activities: Activity[] = [];
  for await (const { line, result } of readEvents(path)) {
    const observation = result.ok ? normalise(result.value) : result;
    assert.ok(observation.ok && observation.value.kind !== 'loss', `${path}:${line}`);
    activities.push(observation.value);
  }
  return activities;
}

async function manifestWith(approved: readonly ManifestEntry[]): Promise<Manifest> {
  const usual = await activitiesIn(join(stories, 'learned.ndjson'));
  const observed = usual.map((activity) => ({ activity, count: 1, firstAt: activity.at, lastAt: activity.at }));
  const profile = learn(emptyProfile('shop', 'web'), vm, observed);
  const issued = { generation: approved.length === 0 ? 1 : 2, issuedAt: '2026-11-21T23:00:00.000Z', orders: [] };
  return draft({ profile, scope: 'shop', service: 'web', vm, vmName: 'web1', mode: 'detect', approved, ...issued });
}

async function played(file: string, manifest: Manifest): Promise<ReplayReport> {
  const report = await replay({ files: [file], manifest });
  assert.ok(report.ok, report.ok ? '' : report.error.message);
  assert.deepEqual([report.value.skipped, report.value.unusableFields], [[], []]);
  return report.value;
}

async function tell(story: string): Promise<string> {
  const report = await played(join(stories, story, 'events.ndjson'), await manifestWith([]));
  const then = join(stories, story, 'allowed-then.ndjson');
  if (!existsSync(then)) return say(report);
  const by = { kind: 'approved', by: 'ada', at: '2026-11-22T23:00:00.000Z' } as const;
  const approved = report.findings.map(({ finding }) => allowEntry(finding.deviation.activity, by));
  const entries = approved.map(({ behaviour }) => `  ${describeBehaviour(behaviour)}`);
  const after = await played(then, await manifestWith(approved));
  return [say(report), 'Allowed:', ...entries, '', 'After that:', say(after)].join('\n');
}

function say({ judged, allowed, deviations, findings }: ReplayReport): string {
  const counts = `${judged} judged, ${allowed} allowed, ${deviations} deviations in ${findings.length} alarms`;
  return [counts, '', ...findings.map(sayFinding)].join('\n');
}

function sayFinding({ severity, risk, count, firstAt, title, finding }: ReplayFinding): string {
  const { nearest } = finding.deviation;
  const times = count === 1 ? '' : `, ${count} times`;
  return [
    `${severity} ${risk}: ${title}`,
    `  at ${firstAt}${times}`,
    ...finding.reasons.map(({ points, factor, text }) => `  +${points} ${factor}: ${text}`),
    ...(nearest === null ? ['  nothing allowed is near'] : [`  nearest: ${describeBehaviour(nearest.behaviour)}`]),
    ...(nearest?.differences ?? []).map(({ field, allowed, seen }) => `    ${field} allowed ${allowed}, seen ${seen}`),
    '',
  ].join('\n');
}

const names = readdirSync(stories, { withFileTypes: true }).filter((entry) => entry.isDirectory());

test('there are stories', () => {
  assert.ok(names.length >= 6, `${names.length} stories`);
});

for (const { name } of names) {
  test(`story: ${name}`, async () => {
    const told = await tell(name);
    const expected = join(stories, name, 'expected.txt');
    if (process.env['UPDATE'] === '1') writeFileSync(expected, told);
    assert.equal(told, readFileSync(expected, 'utf8'));
  });
}
