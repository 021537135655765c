// Declarations: what is declared becomes so, once; what is wrong anywhere changes nothing anywhere.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, type Client } from '../../client/connect.ts';
import type { Declaration } from '../../model/declaration.ts';
import { at, runningVm, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { must, startTrial, type Trial } from '../trial.ts';

let trial: Trial;
let client: Client;

const shop: Declaration = {
  scopes: [
    {
      name: 'shop',
      description: 'the shop',
      services: [
        {
          name: 'web',
          members: ['web1', 'web2'],
          rules: [{ on: 'any', minSeverity: 'critical', action: 'suspend', approval: 'automatic' }],
        },
        { name: 'db', members: ['db1'] },
      ],
    },
  ],
};

before(async () => {
  trial = await startTrial();
  client = connect(trial.manager);
  const sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  must(await trial.manager.end.deliver(sentinel.batch({ vms: [runningVm(1, 'web1'), runningVm(3, 'db1')] })));
});
after(async () => await trial.end());

test('a preview says what would change and changes nothing', async () => {
  const planned = must(await client.apply({ declaration: shop, preview: true }));
  assert.ok(planned.changes.length > 0);
  assert.deepEqual(must(await client.listScopes()), []);
  assert.equal(must(await client.listAudit()).total, 0);
});

test('applying does what the preview said, and a second time nothing', async () => {
  const planned = must(await client.apply({ declaration: shop, preview: true }));
  const applied = must(await client.apply({ declaration: shop }));
  assert.deepEqual(applied, planned);
  assert.deepEqual(
    applied.changes.map(({ verb, subject }) => `${verb} ${subject}`),
    [
      'created scope shop',
      'created service shop/web',
      'created member web1 of shop/web',
      'created member web2 of shop/web',
      'changed rules of shop/web',
      'created service shop/db',
      'created member db1 of shop/db',
    ],
  );
  assert.ok(applied.notes.some((note) => /waits for web2/.test(note)));
  assert.deepEqual(must(await client.apply({ declaration: shop })).changes, []);
  assert.equal(must(await client.listGenerations({ vm: 'db1' })).length, 1);
});

test('what is not declared is named, and removed only when asked', async () => {
  const less: Declaration = { scopes: [{ name: 'shop', services: [{ name: 'web', members: [vmId(1)] }] }] };
  const kept = must(await client.apply({ declaration: less }));
  assert.deepEqual(kept.changes, []);
  assert.ok(kept.notes.includes('service shop/db is not declared'));
  const pruned = must(await client.apply({ declaration: less, prune: true }));
  assert.deepEqual(
    pruned.changes.map(({ verb, subject }) => `${verb} ${subject}`),
    ['removed service shop/db', 'removed member web2 of shop/web'],
  );
  assert.equal(must(await client.listGenerations({ vm: 'db1' }))[0]?.kind, 'withdrawal');
});

test('a fault at the end takes everything before it back', async () => {
  const wrong: Declaration = {
    scopes: [
      { name: 'blog', services: [{ name: 'app', members: ['app1'] }] },
      { name: 'other', services: [{ name: 'x', members: ['web1'] }] },
    ],
  };
  const refused = await client.apply({ declaration: wrong });
  assert.ok(!refused.ok);
  assert.match(refused.error.message, /already belongs to shop\/web/);
  assert.deepEqual(
    must(await client.listScopes()).map((scope) => scope.name),
    ['shop'],
  );
});

test('a misspelt field, a name twice and a mode that cannot be are refused with their reason', async () => {
  const misspelt = { scopes: [{ name: 'a', services: [{ name: 'b', member: ['x'] }] }] } as unknown as Declaration;
  const table: [Declaration, RegExp][] = [
    [misspelt, /declaration\.scopes\.0\.services\.0\.member is not a known field/],
    [{ scopes: [{ name: 'a' }, { name: 'a' }] }, /scope a is declared twice/],
    [{ scopes: [{ name: 'shop', mode: 'protect' }] }, /Nothing was learned/],
  ];
  for (const [declaration, message] of table) {
    const refused = await client.apply({ declaration });
    assert.ok(!refused.ok);
    assert.match(refused.error.message, message);
  }
});
