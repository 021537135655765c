// What a quarantine lets through in Open vSwitch: an address that the VM claims opens questions about it and nothing else, and nobody in
// quarantine gets out by what is let in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, constantFrom, property, subarray } from 'fast-check';
import type { Quarantine, VmPort } from '../../../model/network-measure.ts';
import { checkOrder } from '../checked-order.ts';
import { flowsOf } from './flows.ts';

const port: VmPort = {
  vm: '0f3f6a52-0000-4000-8000-000000000001',
  interface: 'tap0',
  mac: '52:54:00:00:00:01',
  addresses: [],
  bridge: 'br0',
};
const hops = ['10.0.0.3', '10.1.0.0/16', 'fd00::3', 'fd01::/64'];

function flows(
  claimed: readonly string[],
  { management, vlan }: { management: readonly string[]; vlan: number | null },
) {
  const measure: Quarantine = { kind: 'quarantine', management: [...management], routers: ['10.0.0.254'] };
  const order = checkOrder({ ...port, claimed: [...claimed] }, 'q', measure, 0);
  assert.ok(order.ok);
  return flowsOf(order.value, { ofport: 7, vlan }, '0x1', 0);
}

const vlans = constantFrom(null, 5);
const claims = subarray(['10.0.0.1', '10.9.9.9', '::ffff:10.0.0.2', 'fd00::1', 'fd00::ff:1234']);

test('a claimed address may be asked for by management and its routers, and opens nothing else', () => {
  const solicited = { 'fd00::1': 'ff02::1:ff00:1', 'fd00::ff:1234': 'ff02::1:ffff:1234' } as const;
  let opened = 0;
  holds(
    property(claims, subarray(hops), vlans, (claimed, management, vlan) => {
      const before = new Set(flows([], { management, vlan }));
      const after = flows(claimed, { management, vlan });
      assert.ok(
        [...before].every((flow) => after.includes(flow)),
        'nothing is closed either',
      );
      const asked = new Set(claimed.map((address) => address.replace('::ffff:', '')));
      const groups = new Set<string>(
        Object.entries(solicited).flatMap(([address, group]) => (asked.has(address) ? group : [])),
      );
      for (const flow of after.filter((one) => !before.has(one))) {
        const [, from = '', of = ''] =
          /^cookie=0x1,priority=64990,dl_dst=ff:ff:ff:ff:ff:ff,arp,arp_spa=([^,]+),arp_tpa=([^,]+)/.exec(flow) ??
          /^cookie=0x1,priority=64990,icmp6,icmp_type=135,ipv6_src=([^,]+),ipv6_dst=([^,]+)/.exec(flow) ??
          assert.fail(flow);
        assert.ok([...management, '10.0.0.254'].includes(from) && (asked.has(of) || groups.has(of)), flow);
        assert.match(flow, /,actions=NORMAL,(?:pop_vlan,)?output:7$/);
        opened += 1;
      }
    }),
  );
  assert.ok(opened > 100, `${opened} questions`);
});

test('what the VM sends is judged before what anybody is sent', () => {
  holds(
    property(claims, subarray(hops), vlans, (claimed, management, vlan) => {
      const all = flows(claimed, { management, vlan }).map((flow) => ({
        priority: Number(/priority=(\d+)/.exec(flow)?.[1]),
        isOwn: flow.includes(',in_port=7'),
        drops: flow.endsWith('actions=drop'),
        flow,
      }));
      const stays = all.filter(({ isOwn, drops }) => isOwn && drops).map(({ priority }) => priority);
      assert.equal(stays.length, 1);
      for (const { priority, isOwn, drops, flow } of all)
        if (!drops) assert.ok(isOwn ? priority > (stays[0] ?? 0) : priority < (stays[0] ?? 0), flow);
    }),
  );
});
