// Services proposed for VMs in none, applied as they are printed, and a VM that comes later joining the service there is.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { printDeclaration, printGrouping } from './print/grouping.ts';
import { plainPage } from './print/page.ts';
import { connect, type Client } from '../client/connect.ts';
import { Declaration } from '../model/declaration.ts';
import { findFaults } from '../model/shape-faults.ts';
import type { VmTrait } from '../model/vm-trait.ts';
import { at, runningVm, vmId } from '../sim/simulated-activity.ts';
import { makeSimulatedSentinel, type SimulatedSentinel } from '../sim/simulated-sentinel.ts';
import { must, startTrial, type Trial } from '../manager/trial.ts';
import { readYaml } from '../manager/yaml-document.ts';

let trial: Trial;
let client: Client;
let sentinel: SimulatedSentinel;

const base = ['init', 'sshd', 'cron'].map((name): VmTrait => ({ kind: 'program', what: `/usr/sbin/${name}` }));
const web: VmTrait[] = [
  { kind: 'program', what: '/usr/sbin/nginx' },
  { kind: 'listen', what: 'tcp 443 /usr/sbin/nginx' },
  { kind: 'outbound', what: 'tcp 5432 10.0.0.9' },
];
const database: VmTrait[] = [
  { kind: 'program', what: '/usr/lib/postgresql/15/bin/postgres' },
  { kind: 'listen', what: 'tcp 5432 /usr/lib/postgresql/15/bin/postgres' },
  { kind: 'inbound', what: 'tcp 5432 private' },
];

before(async () => {
  trial = await startTrial();
  client = connect(trial.manager);
  sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
});
after(async () => await trial.end());

async function deliver(vms: readonly (readonly [number, string, readonly VmTrait[]])[]): Promise<void> {
  const batch = sentinel.batch({
    vms: vms.map(([number, name]) => runningVm(number, name)),
    traits: vms.map(([number, , traits]) => ({ vm: vmId(number), traits: [...traits] })),
  });
  must(await trial.manager.end.deliver(batch));
}

const machines = [
  [1, 'web1', [...base, ...web]],
  [2, 'web2', [...base, ...web]],
  [3, 'db1', [...base, ...database]],
  [4, 'db2', [...base, ...database]],
  [5, 'odd', [...base, { kind: 'program', what: '/opt/odd' }]],
  [6, 'unseen', []],
] as const;

test('nothing is proposed where nobody is', async () => {
  const { groups, lone, declaration, notes } = must(await client.proposeServices({}));
  assert.deepEqual([groups, lone, declaration, notes.length], [[], [], { scopes: [] }, 1]);
});

test('tiers are proposed with a score and what tells them apart, and VMs that are alone are said to be', async () => {
  await deliver(machines);
  const proposed = must(await client.proposeServices({ scope: 'shop' }));
  assert.deepEqual(
    proposed.groups
      .map(({ service, join, members }) => [service, join, members.map(({ name }) => name)])
      .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    [
      ['nginx', null, ['web1', 'web2']],
      ['postgres', null, ['db1', 'db2']],
    ],
  );
  assert.deepEqual(
    proposed.lone.map(({ name }) => name),
    ['odd', 'unseen'],
  );
  const said = printGrouping(proposed, plainPage);
  assert.match(said, /new service nginx {2}score (0\.[5-9]\d|1\.00)/);
  assert.match(said, /listen tcp 443 \/usr\/sbin\/nginx \(100 % inside, 0 % outside\)/);
  assert.match(said, /unseen: nothing was seen of it yet/);
  assert.deepEqual(must(await client.listScopes({})), []);
});

test('what is printed can be applied, and then nothing is left to propose', async () => {
  const text = printDeclaration(must(await client.proposeServices({ scope: 'shop' })));
  const read = readYaml(text, 'proposed.yaml', (value) => findFaults(Declaration, value));
  const declaration = must(read) as Declaration;
  must(await client.apply({ declaration }));
  const { services } = must(await client.getScope({ scope: 'shop' }));
  assert.deepEqual(
    services.map(({ name, members }) => [name, members.map((member) => member.name).toSorted()]),
    [
      ['nginx', ['web1', 'web2']],
      ['postgres', ['db1', 'db2']],
    ],
  );
  assert.deepEqual(must(await client.proposeServices({ scope: 'shop' })).groups, []);
});

test('a VM that comes later joins the service it is like, and new services take no name that is taken', async () => {
  const more = [7, 'web3', [...base, ...web]] as const;
  await deliver([...machines, more]);
  const { groups, declaration } = must(await client.proposeServices({ scope: 'shop' }));
  assert.deepEqual(
    groups.map(({ join, members }) => [join, members.map(({ name }) => name)]),
    [[{ scope: 'shop', service: 'nginx' }, ['web3']]],
  );
  assert.deepEqual(declaration, { scopes: [{ name: 'shop', services: [{ name: 'nginx', members: ['web3'] }] }] });
  must(await client.apply({ declaration }));
  const service = must(await client.getScope({ scope: 'shop' })).services.find(({ name }) => name === 'nginx');
  assert.equal(service?.members.length, 3);
});

test('what a guest invents is bounded, the latest stays, and VMs of one name are told apart by id', async () => {
  const invented = (round: number): VmTrait[] =>
    Array.from({ length: 900 }, (_, of) => ({ kind: 'program', what: `/tmp/${round}-${of}` }));
  await deliver([...machines, [8, 'twin', [...base, ...database]], [9, 'twin', invented(1)]]);
  await deliver([...machines, [8, 'twin', []], [9, 'twin', invented(2)]]);
  const { losses } = must(await client.status({}));
  assert.equal(losses.traitsNotKept, 800);
  const { declaration, lone } = must(await client.proposeServices({ scope: 'shop' }));
  assert.deepEqual(declaration.scopes[0]?.services?.[0]?.members, [vmId(8)]);
  assert.ok(lone.some(({ vm }) => vm === vmId(9)));
});
