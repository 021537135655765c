// Which jobs a calendar still owes, and which activities are theirs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Profile } from '../../model/profile.ts';
import { process } from '../../sim/seen.ts';
import { dueJobs, isDue } from './due-jobs.ts';
import { emptyProfile, learn } from './learn.ts';

function learned(...lines: readonly string[]): Profile {
  const observed = lines.map((line) => {
    const activity = process('/bin/run-parts', line.split(' '));
    return { activity, count: 1, firstAt: activity.at, lastAt: activity.at };
  });
  return learn(emptyProfile('shop', 'web'), 'name:a', observed);
}

function places(profile: Profile): readonly string[] {
  return dueJobs(profile).map(({ place }) => place);
}

test('a calendar that is followed still owes what was not seen', () => {
  const profile = learned('run-parts --report /etc/cron.hourly', 'run-parts --report /etc/cron.daily');
  assert.deepEqual(places(profile), ['/etc/cron.weekly', '/etc/cron.monthly', '/etc/cron.yearly']);
  assert.deepEqual(dueJobs(profile)[1], { place: '/etc/cron.monthly', period: 'month', because: '/etc/cron.hourly' });
  assert.deepEqual(places(learned('run-parts /etc/periodic/daily')).length, 4);
});

test('a calendar that nobody follows owes nothing', () => {
  assert.deepEqual(places(learned('run-parts /etc/update-motd.d', 'run-parts /etc/cron.daily-not')), []);
});

test('what belongs to a job that is due', () => {
  const jobs = dueJobs(learned('run-parts --report /etc/cron.daily'));
  const monthly = ['run-parts', '--report', '/etc/cron.monthly'];
  assert.ok(isDue(jobs, process('/bin/run-parts', monthly)));
  assert.ok(isDue(jobs, process('/bin/sh', ['sh', '-c', 'cd / && run-parts /etc/cron.monthly'])));
  assert.ok(isDue(jobs, process('/bin/x', ['x'], '/etc/cron.monthly/x')));
  assert.ok(!isDue(jobs, process('/bin/run-parts', ['run-parts', '/etc/cron.daily'])));
  assert.ok(!isDue(jobs, process('/bin/run-parts', ['run-parts', '/etc/cron.monthly.bak'])));
});
