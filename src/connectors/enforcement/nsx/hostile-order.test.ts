// Whatever is ordered, and whatever a VM, a tag or a policy is called, what NSX is sent holds names of ours, addresses and plain words
// only, each in a place of its own; and whatever NSX says is read as a value.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  anything,
  array,
  assert as holds,
  asyncProperty,
  constantFrom,
  object,
  property,
  record,
  string,
} from 'fast-check';
import { hostileOrder } from '../../../../lab/hostile-orders.ts';
import { cardPort, foreignTag, must, quarantine, startNsxTrial } from '../../../../lab/nsx-trial.ts';
import type { Json } from '../../../kit/canonical-json.ts';
import type { JsonObject } from '../../../kit/json-object.ts';
import { filteredCard } from '../../../sim/nsx/nsx-packets.ts';
import { checkOrder } from '../checked-order.ts';
import { noteFrom } from './capture-note.ts';
import { fileAt, sessionOf } from './capture-session.ts';
import { cardsOf } from './filtered-cards.ts';
import { digestOfRules } from './firewall-rules.ts';
import { isPolicyOf } from './nsx-firewall.ts';
import { groupAt, objectsOf, policyAt, policyIdOf, shelfOf } from './object-names.ts';
import { placeAmong, policyFault, policyFor } from './order-policy.ts';
import { noteOf } from './policy-note.ts';
import { isOwnGroup, ownGroup } from './realised.ts';
import { redirectionFault, redirectionFor } from './redirection-policy.ts';

const hostileText = string({ unit: 'binary', maxLength: 4096 });

function texts(value: Json): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [key, ...(member === undefined ? [] : texts(member))]);
}

test('no text of an order reaches NSX as it came, unless it is an address or a plain name', () => {
  let accepted = 0;
  holds(
    property(hostileOrder, hostileText, ({ port, id, measure }, externalId) => {
      const order = checkOrder(port, id, measure, 0);
      if (!order.ok) return assert.ok(order.error.message.length < 200);
      const { kind } = order.value.measure;
      if (kind === 'capture') return;
      accepted += 1;
      const objects = objectsOf(externalId);
      const policyId = policyIdOf(objects, order.value.port.interface, order.value.id);
      const chain = '/infra/service-chains/ids';
      const policy =
        kind === 'reroute'
          ? redirectionFor(order.value, objects, chain, null)
          : policyFor(order.value, objects, null, 0);
      for (const text of texts([policy, ownGroup(objects, null)])) assert.match(text, /^[\w .,:;/|-]{0,160}$/);
      for (const { text } of [groupAt(objects), policyAt(shelfOf(kind), policyId)])
        assert.match(text, /^\/policy\/api\/v1\/[\w/-]{1,160}$/);
      // It is recognised by the one who finds it.
      assert.ok(isPolicyOf(order.value, { ...policy, id: policyId }));
      assert.ok(isOwnGroup(ownGroup(objects, null), objects));
    }),
    { numRuns: 1500 },
  );
  assert.ok(accepted > 15, `${accepted} orders were good`);
});

test('text that is no text, as JSON can carry it, is read like any other', () => {
  const odd = '\ud800';
  const rule = {
    action: odd,
    direction: odd,
    ip_protocol: odd,
    services: [odd],
    scope: [odd],
    service_entries: [{ protocol: odd }],
  };
  assert.match(digestOfRules([rule, odd, null]), /^[0-9a-f]{16}$/);
});

test('two VMs never share what belongs to one, and two orders never a policy', () => {
  holds(
    property(hostileText, hostileText, hostileText, hostileText, (one, other, card, id) => {
      if (one === other || one.toWellFormed() === other.toWellFormed()) return;
      assert.notEqual(objectsOf(one).groupId, objectsOf(other).groupId);
      if (card === '4000' && id === 'r-1') return;
      assert.notEqual(policyIdOf(objectsOf(one), card, id), policyIdOf(objectsOf(one), '4000', 'r-1'));
    }),
  );
});

test('whatever NSX says is read as a value', () => {
  const notes = array(
    record({ scope: constantFrom('plumbline.id', 'plumbline.kind', 'plumbline.vm', 'x'), tag: anything() }),
  );
  const odd = object({
    key: constantFrom(
      'tags',
      'rules',
      'redirect_to',
      'id',
      'scope',
      'expression',
      'mac_address',
      'ip_address_info',
      '_revision',
    ),
  });
  holds(
    property(odd, notes, array(odd), (said, tags, rules) => {
      const policy = { ...said, tags, rules } as JsonObject;
      const note = {
        policyId: 'p',
        id: 'r',
        kind: 'quarantine',
        vm: '',
        card: '',
        digest: '',
        rules: '',
        until: null,
        isGoing: false,
      } as const;
      for (const shelf of ['security-policies', 'redirection-policies'] as const) {
        const read = noteOf(policy, shelf);
        assert.ok(read === null || typeof read.id === 'string');
        assert.ok(Array.isArray(placeAmong(policy, rules as readonly JsonObject[], shelf).before));
      }
      assert.equal(typeof policyFault(policy, note), 'string');
      assert.equal(typeof redirectionFault(policy, note), 'string');
      assert.match(digestOfRules(rules as readonly Json[]), /^[0-9a-f]{16}$/);
      for (const card of cardsOf(rules as readonly JsonObject[])) assert.match(card.id, /^[\w.-]{1,15}$/);
      assert.equal(isOwnGroup(said as JsonObject, objectsOf('a')), false);
    }),
    { numRuns: 300 },
  );
});

test('whatever NSX says of a session, and whatever lies beside captured files, is read as a value', () => {
  const session = object({ key: constantFrom('sessionid', 'sessionstatus', 'request', 'filesize', 'starttime') });
  holds(
    property(session, hostileText, (said, text) => {
      const read = sessionOf(said as JsonObject);
      if (read !== null) assert.match(read.id, /^[\w.-]{1,128}$/);
      assert.match(fileAt('manager', text).text, /^\/api\/v1\/pktcap\/session\/[^/?#]*\/capturefile$/);
      for (const json of [text, JSON.stringify(said), JSON.stringify({ ...said, point: said })]) {
        const note = noteFrom(json);
        if (note !== null) assert.match(`${note.id} ${note.card}`, /^[\w.-]+ [\w.-]+$/);
      }
    }),
    { numRuns: 300 },
  );
});

test('a VM of any name, with any tags, is listed by them, quarantined alone, and released with its tags as they were', async () => {
  const trial = await startNsxTrial();
  trial.nsx.world.delayMs = 0;
  let made = 0;
  const id = string({ unit: 'binary', minLength: 1, maxLength: 200 });
  const tags = array(
    record({ scope: string({ unit: 'binary', maxLength: 60 }), tag: string({ unit: 'binary', maxLength: 200 }) }),
    { maxLength: 5 },
  );
  await holds(
    asyncProperty(id, hostileText, tags, async (text, name, given) => {
      made += 1;
      // What comes over the wire is well formed.
      const externalId = `${made} ${text}`.toWellFormed();
      const own = given.map(({ scope, tag }) => ({ scope: scope.toWellFormed(), tag: tag.toWellFormed() }));
      const mac = `00:50:56:8f:00:${made.toString(16).padStart(2, '0')}`;
      trial.nsx.world.addVm({ externalId, name, tags: own, cards: [filteredCard('4000', mac, '10.9.0.50')] });
      const vm = must(await trial.platform.listVms()).vms.find((each) => each.id === externalId);
      assert.ok(vm !== undefined);
      assert.equal(vm.name, name.toWellFormed());
      assert.equal(vm.tags.length, own.length);
      const network = trial.platform.network(vm);
      const applied = await network.apply(cardPort(vm), 'r-1', quarantine);
      assert.equal(applied.state, 'done', applied.evidence);
      const tagged = [...trial.nsx.world.vms.values()].filter((each) =>
        each.tags.some(({ scope }) => scope === 'plumbline'),
      );
      assert.deepEqual(
        tagged.map((each) => each.externalId),
        [externalId],
      );
      assert.equal((await network.release(cardPort(vm), 'r-1')).state, 'done');
      assert.deepEqual(trial.nsx.world.vms.get(externalId)?.tags, own);
    }),
    { numRuns: 12 },
  );
  assert.deepEqual([...trial.nsx.world.vms.values()][0]?.tags, [foreignTag]);
  await trial.stop();
});
