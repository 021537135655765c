// Batches: each counts once, in whatever order and however often it comes; nothing of one is kept unless all of it is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { connect } from '../../client/connect.ts';
import { at, connected, findingOf, observed, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import { must, startTrial, type Trial } from '../trial.ts';

async function prepared(): Promise<{ trial: Trial; batch: (parts: Partial<SentinelBatch>) => SentinelBatch }> {
  const trial = await startTrial();
  const sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  const client = connect(trial.manager);
  must(await trial.manager.end.deliver(sentinel.batch({ vms: [runningVm(1, 'web1')] })));
  must(await client.createScope({ name: 'shop' }));
  must(await client.createService({ scope: 'shop', name: 'web' }));
  must(await client.addMember({ scope: 'shop', service: 'web', vm: 'web1' }));
  return { trial, batch: (parts) => sentinel.batch(parts) };
}

/** What may depend on neither order nor repetition. */
async function outcome(trial: Trial) {
  const client = connect(trial.manager);
  const [service] = must(await client.learning({ scope: 'shop' })).services;
  const alarms = must(await client.listAlarms()).items;
  return {
    entries: service?.entries,
    coverage: service?.coverage,
    repetitions: service?.curve.reduce((sum, minute) => sum + minute.repetitions + minute.newBehaviours, 0),
    alarms: alarms
      .map(({ group, count, firstAt, lastAt, title }) => ({ group, count, firstAt, lastAt, title }))
      .sort((a, b) => (a.group < b.group ? -1 : 1)),
    batches: must(await client.status()).sentinels[0]?.batches,
  };
}

test('repeated and reordered batches count once', async () => {
  const programs = ['/usr/bin/ls', '/usr/bin/id', '/usr/bin/curl'];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ exe: fc.nat(2), count: fc.integer({ min: 1, max: 9 }), group: fc.nat(2) }), {
        minLength: 1,
        maxLength: 5,
      }),
      fc.array(fc.nat(100), { maxLength: 6 }),
      fc.infiniteStream(fc.nat(1000)),
      async (steps, repeats, dice) => {
        const [plain, messy] = [await prepared(), await prepared()];
        const make = (batch: typeof plain.batch) =>
          steps.map(({ exe, count, group }, i) => {
            const activity = started(vmId(1), programs[exe] ?? '', [`${exe}`], i + 1);
            return batch({
              observed: [{ vm: vmId(1), items: [observed(activity, count)] }],
              coverage: [{ vm: vmId(1), observedSeconds: 2, lossSeconds: 0.5, missed: 1 }],
              findings: [findingOf(activity, `group-${group}`)],
              repeated: [{ vm: vmId(1), group: `group-${group}`, count }],
            });
          });
        for (const batch of make(plain.batch)) must(await plain.trial.manager.end.deliver(batch));
        const batches = make(messy.batch);
        const sent = [...batches, ...repeats.flatMap((n) => batches[n % batches.length] ?? [])]
          .map((batch) => ({ batch, key: dice.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key);
        // The time of sending may change with each attempt.
        for (const [i, { batch }] of sent.entries())
          must(await messy.trial.manager.end.deliver({ ...batch, sentAt: at(i) }));
        assert.deepEqual(await outcome(messy.trial), await outcome(plain.trial));
        await plain.trial.end();
        await messy.trial.end();
      },
    ),
    { numRuns: 8 },
  );
});

test('a sentinel whose spool was lost begins at 1 again and is not taken for one that repeats itself', async () => {
  const { trial, batch } = await prepared();
  const first = batch({ coverage: [{ vm: vmId(1), observedSeconds: 10, lossSeconds: 0, missed: 0 }] });
  must(await trial.manager.end.deliver({ ...first, seq: 1 }));
  const client = connect(trial.manager);
  assert.equal(must(await client.learning({ scope: 'shop' })).services[0]?.coverage[0]?.observedSeconds, 10);
  await trial.end();
});

test('an alarm counts what happened again before it was told', async () => {
  const { trial, batch } = await prepared();
  const activity = started(vmId(1), '/usr/bin/id', ['id'], 1);
  const repeated = [{ vm: vmId(1), group: 'again', count: 41 }];
  must(await trial.manager.end.deliver(batch({ findings: [findingOf(activity, 'again')], repeated })));
  const [alarm] = must(await connect(trial.manager).listAlarms()).items;
  assert.equal(alarm?.count, 42);
  await trial.end();
});

test('a batch with one wrong part is refused whole, and counted', async () => {
  const { trial, batch } = await prepared();
  const good = batch({ findings: [findingOf(started(vmId(1), '/bin/x', ['x']), 'g')] });
  const wrong = { ...good, guard: [{ vm: vmId(1), at: 'yesterday', what: 'lost-sight', detail: '' }] };
  const refused = await trial.manager.end.deliver(wrong as SentinelBatch);
  assert.ok(!refused.ok);
  assert.match(refused.error.message, /\/guard\/0\/at/);
  const client = connect(trial.manager);
  assert.equal(must(await client.listAlarms()).total, 0);
  assert.equal(must(await client.status()).losses.batchesRefused, 1);
  await trial.end();
});

test('too many batches at once are refused to be sent again, and none is lost or stored twice', async () => {
  const { trial, batch } = await prepared();
  const batches = Array.from({ length: 100 }, () =>
    batch({ coverage: [{ vm: vmId(1), observedSeconds: 1, lossSeconds: 0, missed: 0 }] }),
  );
  const answers = await Promise.all(batches.map(async (one) => await trial.manager.end.deliver(one)));
  const refused = answers.filter((answer) => !answer.ok);
  assert.ok(refused.length > 0 && refused.every((answer) => !answer.ok && answer.error.kind === 'interrupted'));
  for (const one of batches) must(await trial.manager.end.deliver(one));
  const client = connect(trial.manager);
  assert.equal(must(await client.learning({ scope: 'shop' })).services[0]?.coverage[0]?.observedSeconds, 100);
  await trial.end();
});

test('findings of a group are one alarm; a closed one that is seen again is new; guard events are alarms of their own kind', async () => {
  const { trial, batch } = await prepared();
  const client = connect(trial.manager);
  const deliver = async (parts: Partial<SentinelBatch>) => void must(await trial.manager.end.deliver(batch(parts)));
  const evil = started(vmId(1), '/tmp/evil', ['evil']);
  await deliver({ findings: [findingOf(evil, 'g'), findingOf(evil, 'g')] });
  const [alarm] = must(await client.listAlarms()).items;
  assert.equal(alarm?.count, 2);
  assert.equal(alarm.service, 'web');
  must(await client.closeAlarm({ alarm: alarm.id }));
  // Seen before it was closed, arrived later: no news.
  await deliver({ findings: [findingOf(evil, 'g')] });
  assert.equal(must(await client.listAlarms({ status: 'open' })).total, 0);
  const later = { ...evil, at: new Date(Date.now() + 1000).toISOString() };
  await deliver({
    findings: [findingOf(later, 'g')],
    guard: [{ vm: vmId(1), at: at(9), what: 'manifest-tampered', detail: 'bit 3' }],
  });
  const open = must(await client.listAlarms({ status: 'open' })).items;
  assert.deepEqual(open.map((one) => `${one.kind} ${one.severity} ${one.count}`).toSorted(), [
    'deviation critical 1',
    'guard critical 1',
  ]);
  assert.ok(open.every((one) => one.id !== alarm.id));
  await trial.end();
});

test('a host that lists its VMs no longer has the others; they stay known as gone', async () => {
  const { trial, batch } = await prepared();
  const client = connect(trial.manager);
  must(await trial.manager.end.deliver(batch({ vms: [runningVm(2, 'web2')] })));
  assert.deepEqual(
    must(await client.listVms()).map((vm) => [vm.name, vm.state]),
    [
      ['web1', 'gone'],
      ['web2', 'running'],
    ],
  );
  await trial.end();
});

test('a guest that invents names for ever ends in one alarm that says so', async () => {
  const { trial, batch } = await prepared();
  const findings = Array.from({ length: 1100 }, (_, n) => findingOf(started(vmId(1), `/tmp/x${n}`, ['x']), `g${n}`));
  must(await trial.manager.end.deliver(batch({ findings })));
  const client = connect(trial.manager);
  const alarms = must(await client.listAlarms({ status: 'open', limit: 500 }));
  assert.equal(alarms.total, 1001);
  const [flood] = must(await client.listAlarms({ kind: 'guard' })).items;
  assert.equal(flood?.count, 100);
  assert.match(flood.title, /deviates in more ways than are kept one by one/);
  await trial.end();
});

test('peers of every kind are learned', async () => {
  const { trial, batch } = await prepared();
  const items = [observed(connected(vmId(1), '/usr/sbin/apache2', '10.0.0.9', 5432))];
  must(await trial.manager.end.deliver(batch({ observed: [{ vm: vmId(1), items }] })));
  const [service] = must(await connect(trial.manager).learning({ scope: 'shop' })).services;
  assert.deepEqual(service?.entries, { process: 0, outbound: 1, inbound: 0, listen: 0 });
  await trial.end();
});
