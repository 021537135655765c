// Where another enforcer acts on a VM's device than before, what the one before it put there is taken back, and the measure holds on. What
// a VM was seen to use when it was cut off stays with the order, whatever it shows later.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../kit/log.ts';
import type { NetworkEnforcer } from '../../connectors/enforcement/network-enforcer.ts';
import type { NetworkMeasure, VmPort } from '../../model/network-measure.ts';
import { type Database, openDatabase } from '../database.ts';
import { MeasureMemory } from './measure-memory.ts';
import { NetworkDesk } from './network-desk.ts';
import type { PluggedPort } from './vm-ports.ts';

const vm = '0f3f6a52-0000-4000-8000-000000000001';
const plug: PluggedPort = {
  port: { vm, interface: 'tap0', mac: '52:54:00:00:00:01', addresses: [], bridge: 'br0' },
  by: 'nftables',
  why: null,
  namespacePid: null,
};

/** Keeps what it is told, and nothing else. */
function remembering(held: Set<string>): NetworkEnforcer {
  return {
    backend: 'memory',
    capabilities: async () => [],
    async apply(_, id) {
      const changed = !held.has(id);
      held.add(id);
      return { state: 'done', changed, evidence: id };
    },
    release: async (_, id) => ({ state: 'done', changed: held.delete(id), evidence: id }),
    inForce: async () => ({ ok: true, value: [] }),
  };
}

function newDatabase(): Database {
  const database = openDatabase(join(mkdtempSync(join(tmpdir(), 'plumbline-desk-')), 'sentinel.db'));
  assert.ok(database.ok);
  return database.value;
}

test('a measure moves with the enforcer, and is left nowhere', async () => {
  const database = newDatabase();
  const held = { nftables: new Set<string>(), nwfilter: new Set<string>() };
  let now = plug;
  let looked = 0;
  const desk = new NetworkDesk({
    memory: new MeasureMemory(database),
    clock: { now: () => 0, monotonic: () => 0 },
    log: silentLog,
    ports: async () => ({ ok: true, value: [now] }),
    enforcer: ({ by }) => remembering(by === 'nwfilter' ? held.nwfilter : held.nftables),
    guard: (event) => assert.fail(event.detail),
    overdue: async () => void (looked += 1),
  });
  const sets = (): readonly (readonly string[])[] => [[...held.nftables], [...held.nwfilter]];
  assert.equal((await desk.apply(vm, 'q', { kind: 'quarantine', management: [] })).state, 'done');
  await desk.reconcile(new Set([vm]));
  assert.deepEqual(sets(), [['q'], []]);
  now = { ...plug, by: 'nwfilter', libvirt: { socket: '/nowhere', uuid: vm } };
  await desk.reconcile(new Set([vm]));
  assert.deepEqual(sets(), [[], ['q']]);
  now = plug;
  await desk.reconcile(new Set([vm]));
  assert.deepEqual(sets(), [['q'], []]);
  assert.equal((await desk.lift(vm, 'q')).state, 'done');
  assert.deepEqual(sets(), [[], []]);
  assert.equal(looked, 3);
  database.close();
});

const quarantine: NetworkMeasure = { kind: 'quarantine', management: ['10.0.0.3'] };

/** A desk of a sentinel that has just begun, and every port it hands to a switch. */
function deskWith(database: Database, claimed: (() => readonly string[]) | null) {
  const given: VmPort[] = [];
  const enforcer = remembering(new Set());
  const desk = new NetworkDesk({
    memory: new MeasureMemory(database),
    clock: { now: () => 0, monotonic: () => 0 },
    log: silentLog,
    ports: async () => ({ ok: true, value: [plug] }),
    enforcer: () => ({
      ...enforcer,
      apply: (port, id, measure) => {
        given.push(port);
        return enforcer.apply(port, id, measure);
      },
    }),
    guard: (event) => assert.fail(event.detail),
    ...(claimed === null ? {} : { claimed }),
  });
  return { desk, claims: () => given.splice(0).map((port) => port.claimed ?? null) };
}

test('what a VM was seen to use is fixed with its quarantine, over attempts and restarts', async () => {
  const database = newDatabase();
  let seen: readonly string[] = ['10.0.0.1'];
  const first = deskWith(database, () => seen);
  await first.desk.apply(vm, 'q', quarantine);
  seen = ['10.0.0.2'];
  await first.desk.apply(vm, 'q', quarantine);
  await first.desk.apply(vm, 'again', quarantine);
  await first.desk.reconcile(new Set([vm]));
  assert.deepEqual(
    first.claims(),
    Array.from({ length: 4 }, () => ['10.0.0.1']),
  );
  const second = deskWith(database, () => seen);
  await second.desk.reconcile(new Set([vm]));
  await second.desk.reconcile(new Set());
  assert.deepEqual(second.claims(), [['10.0.0.1'], ['10.0.0.1']]);
  assert.equal((await second.desk.lift(vm, 'again')).state, 'done');
  await second.desk.apply(vm, 'later', quarantine);
  assert.deepEqual(second.claims(), [['10.0.0.2']], 'another order is about what is seen now');
  database.close();
});

test('an order of before there were claims stays what it was, and so does what is no quarantine', async () => {
  const database = newDatabase();
  const memory = new MeasureMemory(database);
  assert.ok(memory.put({ vm, id: 'old', as: 'old', measure: quarantine, ports: [plug] }, 0).ok);
  const { desk, claims } = deskWith(database, () => ['10.0.0.1']);
  await desk.reconcile(new Set([vm]));
  await desk.apply(vm, 'old', quarantine);
  await desk.apply(vm, 'block', {
    kind: 'block-flow',
    peer: '10.0.0.9',
    proto: 'any',
    port: null,
    direction: 'outbound',
    expiresAt: '2100-01-01T00:00:00.000Z',
  });
  assert.deepEqual(claims(), [null, null, null]);
  database.close();
});
