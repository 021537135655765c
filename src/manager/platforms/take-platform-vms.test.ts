// Whatever a platform says of its VMs, each is given a name of its own that every part of Plumbline can carry.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Value } from 'typebox/value';
import { VmId } from '../../model/name.ts';
import type { PlatformVm } from '../../connectors/enforcement/platform.ts';
import { vmId } from '../../sim/simulated-activity.ts';
import { nameVms } from './take-platform-vms.ts';

const sightOf = (id: string, uuid: string | null): PlatformVm => ({
  id,
  name: id,
  uuid,
  state: 'running',
  host: null,
  addresses: [],
  tags: [],
  attributes: {},
  cards: [],
});

const hostileId = fc.oneof(
  fc.constantFrom(
    'vm-1',
    'pve1/100',
    '../x',
    'a#1',
    'a\nb',
    '\u2028',
    '',
    'x'.repeat(101),
    '$()',
    '"',
    "'--",
    '\ud800',
  ),
  fc.string({ unit: 'binary', maxLength: 120 }),
);

test('names are valid, of one VM each, and no UUID that two of them have is one', () => {
  const uuids = fc.constantFrom(null, vmId(1), vmId(2), vmId(3));
  const vms = fc.uniqueArray(fc.tuple(hostileId, uuids), { selector: ([id]) => id, maxLength: 8 });
  fc.assert(
    fc.property(vms, (pairs) => {
      const sights = pairs.map(([id, uuid]) => sightOf(id, uuid));
      const { named, gaps } = nameVms('a'.repeat(24), sights);
      assert.equal(new Set(named.map(({ vm }) => vm)).size, named.length);
      for (const { vm, sight } of named) {
        assert.ok(Value.Check(VmId, vm), JSON.stringify(vm));
        const isShared = sights.filter(({ uuid }) => uuid !== null && uuid === sight.uuid).length > 1;
        assert.equal(vm === sight.uuid, sight.uuid !== null && !isShared);
      }
      assert.equal(
        named.length < sights.length,
        gaps.some((gap) => gap.includes('left out')),
      );
    }),
  );
});
