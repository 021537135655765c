// Whatever is ordered, and whatever stands in libvirt already, a filter of ours is one that libvirt reads as it was meant: names,
// addresses and numbers, each in an attribute of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as holds, constantFrom, oneof, property, string } from 'fast-check';
import { hostileOrder } from '../../../../lab/hostile-orders.ts';
import { parseXml } from '../../../protocols/xml/xml-element.ts';
import { checkOrder } from '../checked-order.ts';
import { cardWith, readCard } from './domain-card.ts';
import { filterName, filterText, type StoredMeasure } from './filter-text.ts';
import { rulesOf } from './measure-rules.ts';
import { readFilter } from './read-filter.ts';

const nasty = constantFrom(`"/><rule action='accept'/>`, '&quot;', ']]>', '<!--', '\u0000', "'", 'clean-traffic');
const foreignName = oneof(nasty, string({ unit: 'binary', maxLength: 40 }));

test('no text of an order reaches a filter as it came, unless it is an address or a plain name', () => {
  let accepted = 0;
  holds(
    property(hostileOrder, foreignName, ({ port, id, measure }, owner) => {
      const order = checkOrder(port, id, measure, 0);
      if (!order.ok) return assert.ok(order.error.message.length < 200);
      const { value } = order;
      const rules = rulesOf(value);
      const { kind } = value.measure;
      if (kind !== 'quarantine' && kind !== 'block-flow') return assert.deepEqual(rules, []);
      accepted += 1;
      for (const { action, direction, protocol, match } of rules)
        for (const text of [action, direction, protocol, ...Object.entries(match).flat()])
          assert.match(text, /^[\w.:]{1,45}$/);
      const stored: StoredMeasure = {
        id: value.id,
        kind,
        vm: value.port.vm,
        digest: value.digest,
        untilMs: kind === 'block-flow' ? 1_800_000_000_000 : null,
        total: rules.length,
        rules,
      };
      const name = filterName(value.port, owner);
      assert.match(name, /^plumbline-[0-9a-f]{12}-[0-9a-f]{12}-[0-9a-f]{8}$/);
      const read = readFilter(filterText({ name, uuid: null, owner, measures: [stored] }));
      assert.ok(read.ok, read.ok ? '' : read.error.message);
      assert.equal(read.value.fault, null);
      assert.deepEqual(
        read.value.measures.map(({ isWhole, ...rest }) => [isWhole, rest]),
        [[true, stored]],
      );
    }),
    { numRuns: 3000 },
  );
  assert.ok(accepted > 50, `${accepted} orders were good`);
});

test('each rule that is taken out of a filter, or put into it, is noticed', () => {
  holds(
    property(hostileOrder, ({ port, id, measure }) => {
      const order = checkOrder(port, id, measure, 0);
      if (!order.ok || (measure.kind !== 'quarantine' && measure.kind !== 'block-flow')) return;
      const { value } = order;
      const rules = rulesOf(value);
      const { kind } = measure;
      const stored = {
        id: value.id,
        kind,
        vm: value.port.vm,
        digest: value.digest,
        untilMs: null,
        total: rules.length,
      };
      const text = filterText({ name: 'plumbline-x', uuid: null, owner: null, measures: [{ ...stored, rules }] });
      const lines = text.replaceAll('<rule', '\n<rule').split('\n');
      for (let line = 1; line < lines.length; line += 1) {
        const read = readFilter(
          lines.filter((_, at) => at !== line).join('') + (line === lines.length - 1 ? '</filter>' : ''),
        );
        assert.ok(read.ok);
        assert.ok(read.value.fault !== null || read.value.measures.every(({ isWhole }) => !isWhole), lines[line]);
      }
      const added = `<rule action='accept' direction='inout' priority='-900'><mac/></rule>`;
      const read = readFilter(text.replace('</filter>', `${added}</filter>`));
      assert.ok(read.ok && read.value.fault !== null);
      const twin = readFilter(text.replace('</filter>', `${lines[1]?.replace('</filter>', '')}</filter>`));
      assert.ok(twin.ok && (twin.value.fault !== null || twin.value.measures.every(({ isWhole }) => !isWhole)));
    }),
    { numRuns: 500 },
  );
});

test('no description of a filter or of a guest makes reading it throw', () => {
  const piece = constantFrom(
    '<filter name="a" chain="mac-plumb" priority="-1000">',
    '</filter>',
    `<rule action='drop'><mac comment='plumbline a quarantine 0123456789ab 01234567 1/1 until 999999999999999'/></rule>`,
    `<rule/>`,
    `<domain><devices>`,
    `<interface type='bridge'><mac address='52:54:00:00:00:01'/></interface>`,
    `</devices></domain>`,
  );
  holds(
    property(array(oneof(piece, string())), (pieces) => {
      const text = pieces.join('');
      const filter = readFilter(text);
      if (!filter.ok) assert.ok(filter.error.message.length > 0);
      const card = readCard(text, '52:54:00:00:00:01');
      if (!card.ok) assert.ok(card.error.message.length > 0);
    }),
  );
});

test('a card is written back as it was, whatever its owner named its filter', () => {
  holds(
    property(foreignName, (name) => {
      const domain = `<domain xmlns:q='urn:q'><metadata><q:x/></metadata><devices>
        <interface type='network'><mac address='52:54:00:00:00:02'/></interface>
        <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='tap0'/>
          <filterref filter='clean-traffic'><parameter name='IP' value='10.0.0.1'/><parameter name='IP' value='10.0.0.2'/></filterref>
          <driver><host csum='off'/></driver><alias name='net1'/></interface></devices></domain>`;
      const read = readCard(domain, '52:54:00:00:00:01');
      assert.ok(read.ok && read.value !== null);
      assert.equal(read.value.filter, 'clean-traffic');
      const written = cardWith(read.value, name);
      assert.ok(written.ok);
      const again = parseXml(written.value.markup);
      assert.ok(again.ok);
      const back = readCard(`<domain><devices>${written.value.markup}</devices></domain>`, '52:54:00:00:00:01');
      assert.ok(back.ok && back.value !== null);
      const restored = cardWith(back.value, 'clean-traffic');
      const first = cardWith(read.value, 'clean-traffic');
      assert.ok(restored.ok && first.ok);
      assert.equal(restored.value.markup, first.value.markup);
      for (const kept of ['csum="off"', 'value="10.0.0.2"', 'dev="tap0"', 'name="net1"'])
        assert.ok(first.value.markup.includes(kept), kept);
      const bare = cardWith(read.value, null);
      assert.ok(bare.ok && !bare.value.markup.includes('filterref'));
    }),
  );
});

test('what is blocked is dropped before a quarantine lets it pass', () => {
  const port = { vm: 'a', interface: 'tap0', mac: '52:54:00:00:00:01', addresses: [], bridge: null };
  const peer = '10.0.0.1';
  const block = { kind: 'block-flow', peer, proto: 'any', port: null, direction: 'outbound' } as const;
  const orders = [
    checkOrder(port, 'b', { ...block, expiresAt: '2100-01-01T00:00:00.000Z' }, 0),
    checkOrder(port, 'q', { kind: 'quarantine', management: [peer] }, 0),
  ];
  const [blocked, passed] = orders.map((order) =>
    order.ok ? rulesOf(order.value).map(({ priority }) => priority) : [],
  );
  assert.ok(Math.max(...(blocked ?? [])) < Math.min(...(passed ?? [])));
});
