// Whatever is ordered, what Open vSwitch is given is one flow to a line, of fields and addresses only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as holds, integer, oneof, property, string } from 'fast-check';
import { hostileOrder } from '../../../../lab/hostile-orders.ts';
import { checkOrder } from '../checked-order.ts';
import { parseFlows, quietPorts } from './flow-dump.ts';
import { flowsOf } from './flows.ts';
import { cookieOf, writeRecord } from './switch-state.ts';

const action = String.raw`(?:drop|NORMAL|(?:NORMAL,)?(?:pop_vlan,)?output:7)`;
const flow = new RegExp(
  String.raw`^cookie=0x504c[0-9a-f]{12},priority=6[45]\d{3}(?:,[a-z][a-z0-9_]*(?:=[0-9a-fx.:/]+)?)*,actions=${action}$`,
);

test('every flow is one line of fields, addresses and an action of ours', () => {
  let written = 0;
  holds(
    property(
      hostileOrder,
      oneof(
        integer({ min: 1, max: 4094 }),
        string().map(() => null),
      ),
      ({ port, id, measure }, vlan) => {
        const order = checkOrder(port, id, measure, 0);
        if (!order.ok) return;
        const { value } = order;
        const { vm, interface: device } = value.port;
        const cookie = cookieOf({ vm, interface: device, id });
        for (const line of flowsOf(value, { ofport: 7, vlan }, cookie, 3)) {
          assert.match(line, flow);
          written += 1;
        }
        const kind = value.measure.kind;
        const record = { id, kind, vm, digest: value.digest, interface: device, flows: 1, ofport: 7, slot: 0 };
        const [operation] = writeRecord('uuid', { ...record, silenced: false, through: null });
        assert.deepEqual(JSON.parse(JSON.stringify(operation)), operation);
      },
    ),
    { numRuns: 5000 },
  );
  assert.ok(written > 500, `${written} flows`);
});

test('no listing makes reading it fail, and none of it is taken for ours without our cookie', () => {
  const line =
    ' cookie=0x504c0123456789ab, duration=1.5s, table=0, n_packets=4, n_bytes=9, hard_timeout=60, priority=1,ip actions=drop';
  assert.deepEqual(
    parseFlows(`OFPST_FLOW reply (OF1.4) (xid=0x6):\n${line}\n${line}`),
    new Map([['0x504c0123456789ab', { count: 2, dropped: 8, endsInMs: 58_500 }]]),
  );
  const shown =
    ' 1(tap0): addr:1a:43:5d:c7:fb:a7\n     config:     NO_FLOOD\n 2(tap1): addr:1a\n     config:     0\n LOCAL(br0): addr:ba\n     config:     NO_FLOOD\n';
  assert.deepEqual([...quietPorts(shown)], [1]);
  holds(
    property(
      array(
        oneof(
          string({ unit: 'binary' }),
          string().map((text) => line + text),
        ),
      ),
      (lines) => {
        for (const { count, dropped } of parseFlows(lines.join('\n')).values()) assert.ok(count > 0 && dropped >= 0);
        quietPorts(lines.join('\n'));
      },
    ),
  );
});
