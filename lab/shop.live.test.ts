// The lab itself, live: the shop takes orders through all tiers, an attack is really carried out, a restore really undoes it.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { sayProblem } from '../src/kit/problem.ts';
import type { Result } from '../src/kit/result.ts';
import { runAttack } from './attacks.ts';
import { openThreeTierLab, type ThreeTierLab } from './three-tier.ts';
import { tiers, type Tier } from './tier-disk.ts';

const needsRoot = { skip: process.getuid?.() === 0 ? false : 'a network namespace with a bridge needs root' };

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

describe('the shop', needsRoot, () => {
  let lab: ThreeTierLab;
  before(async () => {
    lab = must(await openThreeTierLab({ prefix: 'lab-test-' }));
  });
  after(async () => lab?.stop());

  test('an order goes through web, application and database', async () => {
    const first = must(await lab.visit('/cgi-bin/order?item=sofa'));
    assert.deepEqual(JSON.parse(first.body), { item: 'sofa', orders: 1 });
    const second = must(await lab.visit('/cgi-bin/order?item=sofa'));
    assert.deepEqual(JSON.parse(second.body), { item: 'sofa', orders: 2 });
    const { out } = await lab.guests.db.run('redis-cli get order:sofa');
    assert.equal(out.trim(), '2');
  });

  test('services run as their own users', async () => {
    const owner = async (tier: Tier, program: string): Promise<string> =>
      (await lab.guests[tier].run(`stat -c %U /proc/$(busybox pidof ${program})`)).out.trim();
    assert.equal(await owner('web', 'lighttpd'), 'www-data');
    assert.equal(await owner('app', 'orders'), 'orders');
    assert.equal(await owner('db', 'redis-server'), 'redis');
  });

  test('an attack leaves its traces and a restore takes them away', async () => {
    const trace = must(await runAttack(lab, 'download-and-run'));
    assert.ok(trace.completed, trace.output);
    assert.equal(trace.pids.length, 1);
    const { web } = lab.guests;
    assert.equal((await web.run('test -x /tmp/.cache')).code, 0);
    must(await lab.restore('web'));
    assert.equal((await web.run('test -e /tmp/.cache')).code, 1);
    assert.equal(must(await lab.visit('/')).status, 200);
  });

  test('a guest comes back from suspension and from power-off, as the same machine', async () => {
    const { db } = lab.guests;
    await db.run('touch /tmp/later');
    must(await db.qmp().execute('stop'));
    must(await lab.restore('db'));
    assert.equal((await db.run('test -e /tmp/later')).code, 1);
    const before = db.pid();
    await db.qmp().execute('quit');
    for (let tries = 0; db.pid() !== undefined && tries < 100; tries += 1) await wait(50);
    assert.equal(db.pid(), undefined);
    must(await lab.restore('db'));
    assert.notEqual(db.pid(), before);
    assert.ok(readFileSync(`/proc/${db.pid()}/cmdline`, 'utf8').includes(db.uuid));
    assert.match(must(await lab.visit('/cgi-bin/order?item=chair')).body, /"orders":\d+/);
  });

  test('nothing is left when the lab has stopped', async () => {
    const processes = [lab.namespacePid, ...tiers.map((tier) => lab.guests[tier].pid() ?? 0)];
    await lab.stop();
    assert.deepEqual(
      processes.filter((pid) => pid === 0 || existsSync(`/proc/${pid}`)),
      [],
    );
  });
});
