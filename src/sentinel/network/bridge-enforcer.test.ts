// nftables unless it cannot, or unless libvirt's filters were asked for; and those for VMs of libvirt's only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problem } from '../../kit/problem.ts';
import { bridgeEnforcer, type BridgeChoice } from './bridge-enforcer.ts';

const libvirt = { socket: '/run/libvirt/libvirt-sock', uuid: '0f3f6a52-0000-4000-8000-000000000001' };
const missing = problem('not-found', 'no nft');

const cases: readonly (readonly [BridgeChoice['asked'], BridgeChoice['libvirt'], typeof missing | null, string])[] = [
  [null, libvirt, null, 'nftables'],
  [null, libvirt, missing, 'nwfilter'],
  [null, null, null, 'nftables'],
  [null, null, missing, 'nftables'],
  ['nwfilter', libvirt, null, 'nwfilter'],
  ['nwfilter', null, null, 'nftables'],
  ['nftables', libvirt, missing, 'nftables'],
];

for (const [asked, guest, nft, expected] of cases)
  test(`asked for ${asked}, ${guest === null ? 'not of' : 'of'} libvirt, nft ${nft === null ? 'usable' : 'not'}: ${expected}`, async () => {
    assert.equal(await bridgeEnforcer({ asked, libvirt: guest, nft: async () => nft }), expected);
  });
