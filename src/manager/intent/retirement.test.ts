// Entries that nobody uses: proposed with what would alarm, retired by a person, remembered when they alarm.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, type Client } from '../../client/connect.ts';
import type { Activity, Observed } from '../../model/observation.ts';
import type { UseReport } from '../../model/entry-use.ts';
import type { ServiceRetirement } from '../../model/retirement.ts';
import { connected, findingOf, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel, type SimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { must, startTrial, type Trial } from '../trial.ts';

let trial: Trial;
let client: Client;
let sentinel: SimulatedSentinel;
const web = { scope: 'shop', service: 'web' } as const;
const dayMs = 86_400_000;
const nowMs = Date.now();
const daysAgo = (days: number): string => new Date(nowMs - days * dayMs).toISOString();
const [web1, web2] = [vmId(1), vmId(2)];

function when(activity: Activity, days: number): Observed {
  const at = daysAgo(days);
  return { activity: { ...activity, at }, count: 1, firstAt: at, lastAt: at };
}

async function deliver(parts: Parameters<SimulatedSentinel['batch']>[0]): Promise<void> {
  must(await trial.manager.end.deliver(sentinel.batch(parts)));
}

async function proposed(): Promise<ServiceRetirement> {
  const [service] = must(await client.unusedEntries({ scope: 'shop' })).services;
  assert.ok(service !== undefined);
  return service;
}

const programs = ({ unused }: ServiceRetirement): string[] => unused.map(({ entry }) => entry.behaviour.exe).sort();
const idOf = async (exe: string): Promise<string> => {
  const { manifest } = must(await client.getManifest({ vm: 'web1' }));
  return manifest.entries.find(({ behaviour }) => behaviour.exe === exe)?.id ?? '';
};

before(async () => {
  trial = await startTrial();
  client = connect(trial.manager);
  sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => daysAgo(0));
  const bootedAt = daysAgo(120);
  await deliver({ vms: [runningVm(1, 'web1', { bootedAt }), runningVm(2, 'web2', { bootedAt })] });
  must(await client.createScope({ name: 'shop' }));
  must(await client.createService({ scope: 'shop', name: 'web' }));
  for (const vm of ['web1', 'web2']) must(await client.addMember({ ...web, vm }));
  const items = [
    ...[102, 101, 100].map((days) => when(started(web1, '/usr/bin/old', ['old']), days)),
    ...[102, 101, 100].map((days) => when(connected(web1, '/usr/bin/app', '10.0.0.9', 5432), days)),
    when(started(web1, '/usr/bin/daily', ['daily']), 101),
    when(started(web1, '/etc/cron.yearly/tax', ['tax']), 101),
    when(started(web1, '/usr/bin/at-boot', ['at-boot']), 119.999),
  ];
  await deliver({
    observed: [{ vm: web1, items }],
    coverage: [{ vm: web1, observedSeconds: 864_000, lossSeconds: 0, missed: 0 }],
  });
});
after(async () => await trial.end());

test('in capture nothing is proposed, and nothing can be retired', async () => {
  const service = await proposed();
  assert.deepEqual(service.unused, []);
  assert.match(service.notes.join(), /in capture/);
  const refused = await client.retireEntries({ ...web, entries: ['x'] });
  assert.ok(!refused.ok && refused.error.kind === 'refused');
  must(await client.setMode({ scope: 'shop', mode: 'detect', force: true }));
});

test('until sentinels tell what is used nothing is proposed, however long ago it was learned', async () => {
  const service = await proposed();
  assert.deepEqual([service.entries > 0, service.unused], [true, []]);
  assert.match(service.notes.join(), /uses have been told for 0 days only/);
});

test('what was not used for so long is proposed, what rests by its calendar or its start is not', async () => {
  const daily = await idOf('/usr/bin/daily');
  const sample = { ...started(web1, '/usr/bin/daily', ['daily']), at: daysAgo(90) };
  for (let day = 90; day > 0; day -= 5) {
    const at = daysAgo(day);
    const use = { entry: daily, count: 1, firstAt: at, lastAt: at, ...(day === 90 ? { sample } : {}) };
    const uses: UseReport[] = [web1, web2].map((vm) => ({
      vm,
      watchedSeconds: 5 * 86_400,
      entries: vm === web1 ? [use] : [],
    }));
    await deliver({ sentAt: at, uses });
  }
  const service = await proposed();
  assert.deepEqual(programs(service), ['/usr/bin/app', '/usr/bin/old']);
  assert.match(service.notes.join(), /waits for the next start: 1 entry/);
  // In the 90 days that are replayed neither was used; in 120 days both were.
  assert.deepEqual(service.replay.alarms, []);
  const [further] = must(await client.unusedEntries({ scope: 'shop', replayDays: 120 })).services;
  assert.equal(further?.replay.deviations, 6);
  assert.deepEqual(
    further?.replay.alarms.map(({ vmName, count }) => [vmName, count]),
    [
      ['web1', 3],
      ['web1', 3],
    ],
  );
  assert.deepEqual((await client.unusedEntries({ scope: 'shop', afterDays: 200 })).ok, true);
});

test('a preview changes nothing, and what is in use is refused', async () => {
  const old = await idOf('/usr/bin/old');
  const seen = must(await client.retireEntries({ ...web, entries: [old], replayDays: 120, preview: true }));
  assert.deepEqual([seen.preview, seen.issued, seen.replay.deviations], [true, [], 3]);
  assert.equal(programs(await proposed()).length, 2);
  const used = await client.retireEntries({ ...web, entries: [old, await idOf('/usr/bin/daily')] });
  assert.ok(!used.ok && used.error.kind === 'refused' && /was last used/.test(used.error.message));
  const unknown = await client.retireEntries({ ...web, entries: ['nobody'] });
  assert.ok(!unknown.ok && unknown.error.kind === 'not-found');
  assert.equal((await proposed()).retired.length, 0);
});

test('retiring issues a new generation without the entry, is audited, and survives a restart', async () => {
  const old = await idOf('/usr/bin/old');
  const before = must(await client.getManifest({ vm: 'web1' })).manifest;
  const { issued } = must(await client.retireEntries({ ...web, entries: [old] }));
  assert.deepEqual(
    issued.map(({ name, generation }) => [name, generation]),
    ['web1', 'web2'].map((name) => [name, before.generation + 1]),
  );
  client = connect(await trial.restart());
  const diff = must(await client.diffManifest({ vm: 'web1' }));
  assert.deepEqual([diff.added, diff.removed.map(({ id }) => id)], [[], [old]]);
  const audit = must(await client.listAudit({ subject: 'shop/web' })).items.find(
    ({ verb }) => verb === 'entries.retire',
  );
  assert.match(audit?.detail ?? '', /\/usr\/bin\/old/);
  const service = await proposed();
  assert.deepEqual([programs(service), service.retired.map(({ entry }) => entry)], [['/usr/bin/app'], [old]]);
});

test('a later alarm on it says when and by whom it was retired', async () => {
  const activity = { ...started(web2, '/usr/bin/old', ['old']), at: daysAgo(0) };
  await deliver({ findings: [findingOf(activity, 'g1')] });
  const [alarm] = must(await client.listAlarms({})).items;
  const { retired } = must(await client.getAlarm({ alarm: alarm?.id ?? '' }));
  assert.deepEqual(
    retired.map(({ by, lastUsedAt }) => [by !== '', lastUsedAt]),
    [[true, daysAgo(100)]],
  );
  const other = { ...started(web2, '/usr/bin/other', ['other']), at: daysAgo(0) };
  await deliver({ findings: [findingOf(other, 'g2')] });
  const unrelated = must(await client.listAlarms({})).items.find(({ group }) => group === 'g2');
  assert.deepEqual(must(await client.getAlarm({ alarm: unrelated?.id ?? '' })).retired, []);
});

test('allowing the alarm brings it back for good, as approved', async () => {
  const alarm = must(await client.listAlarms({})).items.find(({ group }) => group === 'g1');
  must(await client.allowAlarm({ alarm: alarm?.id ?? '' }));
  const { manifest } = must(await client.getManifest({ vm: 'web2' }));
  const old = manifest.entries.find(({ behaviour }) => behaviour.exe === '/usr/bin/old');
  assert.equal(old?.provenance.kind, 'approved');
  assert.deepEqual(programs(await proposed()), ['/usr/bin/app']);
});
