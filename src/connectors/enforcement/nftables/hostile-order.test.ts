// Whatever is ordered, what nft is given holds names and addresses only, each in a place of its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, property } from 'fast-check';
import { hostileOrder } from '../../../../lab/hostile-orders.ts';
import type { Json } from '../../../kit/canonical-json.ts';
import { checkOrder } from '../checked-order.ts';
import { rulesOf } from './measure-rules.ts';
import { commentOf } from './read-table.ts';
import { measureNames, pointAt, portChain } from './table-layout.ts';

function texts(value: Json): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [key, ...(member === undefined ? [] : texts(member))]);
}

test('no text of an order reaches nft as it came, unless it is an address or a plain name', () => {
  let accepted = 0;
  holds(
    property(hostileOrder, ({ port, id, measure }) => {
      const order = checkOrder(port, id, measure, 0);
      if (!order.ok) return assert.ok(order.error.message.length < 200);
      accepted += 1;
      const { value } = order;
      const names = measureNames(value.port.vm, value.port.interface, value.id);
      const rules = rulesOf(value, names.peer);
      const kind = value.measure.kind;
      const written = texts([
        { rules: [...rules.fromVm, ...rules.toVm], names: { ...names } },
        pointAt('from', value.port.interface),
        portChain('to', value.port.interface),
      ]);
      // Words of nft's own, addresses, names of ours: nothing that begins, ends or joins anything.
      for (const text of written) assert.match(text, /^(?:[\w.:@&-]{1,64}|==|[a-z]+ [a-z]+)$/);
      const comment = commentOf({ id: value.id, kind, vm: value.port.vm, digest: value.digest }, 999, 999, 'br-0');
      assert.match(comment, /^[\w.\-/= ]{1,127}$/);
    }),
    { numRuns: 5000 },
  );
  assert.ok(accepted > 50, `${accepted} orders were good`);
});
