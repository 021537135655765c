// Where another enforcer acts on a VM's device than before, what the one before it put there is taken back, and the measure holds on.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../kit/log.ts';
import type { NetworkEnforcer } from '../../connectors/enforcement/network-enforcer.ts';
import { openDatabase } from '../database.ts';
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

test('a measure moves with the enforcer, and is left nowhere', async () => {
  const database = openDatabase(join(mkdtempSync(join(tmpdir(), 'plumbline-desk-')), 'sentinel.db'));
  assert.ok(database.ok);
  const held = { nftables: new Set<string>(), nwfilter: new Set<string>() };
  let now = plug;
  let looked = 0;
  const desk = new NetworkDesk({
    memory: new MeasureMemory(database.value),
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
  database.value.close();
});
