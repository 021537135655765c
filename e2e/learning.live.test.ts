// What a person is asked and told about learning, on a real guest: how much is not known yet, what waits for him, and that a change
// that was said beforehand raises nothing while everything else still does.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../lab/guest.ts';
import { bootPlainGuest } from '../lab/plain-guest.ts';
import { makeProduct, until, type RunningUp } from '../lab/product.ts';
import type { Alarm } from '../src/model/alarm.ts';
import type { Change } from '../src/model/change.ts';
import type { HeldEntry } from '../src/model/held-entry.ts';
import type { Learning } from '../src/model/learning.ts';
import type { ManagerStatus } from '../src/model/manager-status.ts';

const product = await makeProduct();
let guest: Guest;
let up: RunningUp;

suite('learning on a real guest', { timeout: 240_000 }, () => {
  before(async () => {
    const booted = await bootPlainGuest({ kernel: '6.1', name: 'learner' });
    assert.ok(booted.ok, JSON.stringify(booted));
    guest = booted.value;
    up = await product.up();
    const file = join(product.stateDir, 'learner.yaml');
    await writeFile(file, 'scopes:\n  - name: shop\n    services:\n      - name: web\n        members: [learner]\n');
    await product.json('apply', '-f', file);
  });

  after(async () => {
    await up?.stop();
    await guest?.stop();
    await product.remove();
  });

  /** Lives longer than it takes to be seen. */
  const start = (command: string) => guest.run(`${command} </dev/null >/dev/null 2>&1 &`);
  /** About one program; the shell that starts it for us is another story. */
  const alarmsAbout = async (program: string): Promise<readonly Alarm[]> => {
    const { items } = await product.json<{ readonly items: readonly Alarm[] }>('alarms');
    return items.filter(({ finding }) => finding?.deviation.activity.image?.exe === program);
  };
  const alarmAbout = (program: string) =>
    until(
      `an alarm about ${program}`,
      15_000,
      () => alarmsAbout(program),
      (seen) => seen.length > 0,
    );

  /** Long after it was seen by everybody who would have alarmed about it. */
  const quietMs = 3_000;
  const held = (): Promise<readonly HeldEntry[]> => product.json('manifest', 'held');
  const isAbout = (text: string) => (entry: HeldEntry) => JSON.stringify(entry.behaviour).includes(text);

  const installed = () =>
    until(
      'every manifest is in force',
      15_000,
      () => product.json<ManagerStatus>('status'),
      ({ manifests }) => manifests.waiting === 0,
    );

  test('a capture never claims more than it has watched, and ends by itself when what was asked for holds', async () => {
    await start('sleep 5.5');
    const { services } = await until(
      'something learned',
      20_000,
      () => product.json<Learning>('capture', 'status', 'shop'),
      (learning) => (learning.services[0]?.forecast?.memberDays ?? 0) > 0,
    );
    const forecast = services[0]?.forecast;
    assert.ok(forecast !== null && forecast !== undefined);
    assert.ok(forecast.least >= 3 / forecast.memberDays - 1, JSON.stringify(forecast));
    assert.ok(forecast.high >= forecast.least, JSON.stringify(forecast));
    const reached = await product.run('capture', 'shop', '--until', 'risk<=999999/hour');
    assert.equal(reached.code, 0, reached.err);
  });

  test('what looks like an attack waits for a person, alarms until he takes it in, and then no more', async () => {
    await guest.run('cp /bin/workload /tmp/drop');
    await start('/tmp/drop hold 3');
    const [entry] = (await until('something is held', 20_000, held, (all) => all.some(isAbout('/tmp/drop')))).filter(
      isAbout('/tmp/drop'),
    );
    assert.ok(entry !== undefined);
    assert.equal(entry.source, 'capture');
    await until(
      'protected',
      20_000,
      () => product.run('protect', 'shop', '--force'),
      ({ code }) => code === 0,
    );
    await start('/tmp/drop hold 3');
    await alarmAbout('/tmp/drop');
    await product.json('manifest', 'accept', entry.id);
    await installed();
    for (const alarm of await alarmsAbout('/tmp/drop')) await product.json('close', alarm.id);
    await start('/tmp/drop hold 3');
    await wait(quietMs);
    assert.deepEqual(await alarmsAbout('/tmp/drop'), []);
  });

  test('a change that was said beforehand raises nothing, and everything else still does; when it is over, so is its leave', async () => {
    await guest.run('mkdir -p /opt/new && cp /bin/workload /opt/new/tool && cp /bin/workload /opt/new/other');
    const change = await product.json<Change>('change', 'open', 'learner', '--files', '/opt/new/tool');
    await installed();
    await start('/opt/new/tool hold 3');
    await start('/opt/new/other hold 3');
    await alarmAbout('/opt/new/other');
    assert.deepEqual(await alarmsAbout('/opt/new/tool'), []);
    const admitted = await until('told what it admitted', 15_000, held, (all) => all.some(isAbout('/opt/new/tool')));
    assert.equal(admitted.find(isAbout('/opt/new/tool'))?.change, change.id);
    await product.json('change', 'close', change.id);
    await installed();
    await start('/opt/new/tool hold 3');
    await alarmAbout('/opt/new/tool');
  });
});
