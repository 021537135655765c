// QEMU's list of network cards, as it is and as it might be.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, property, string } from 'fast-check';
import { parseNetworkCards } from './network-cards.ts';

const taps = new Map([[32, 'vnet7']]);
const parse = (text: string) => parseNetworkCards(text, (descriptor) => taps.get(descriptor) ?? null);

test('cards with their devices, as QEMU lists them', () => {
  const text = [
    'net0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:77:01:21',
    ' \\ n0: index=0,type=tap,ifname=plbleft,script=no,downscript=no',
    'net1: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:AA:01:22',
    ' \\ hostnet1: index=0,type=tap,fd=32',
    'e0: index=0,type=nic,model=e1000,macaddr=52:54:00:77:01:23',
    ' \\ u0: index=0,type=user,net=10.0.2.0,restrict=off',
    'lonely: index=0,type=nic,model=e1000,macaddr=52:54:00:77:01:24',
    'gone: index=0,type=nic,model=e1000,macaddr=52:54:00:77:01:25',
    ' \\ x: index=0,type=tap,fd=99',
    '',
  ].join('\r\n');
  assert.deepEqual(parse(text), [
    { mac: '52:54:00:77:01:21', device: 'plbleft', kind: 'tap' },
    { mac: '52:54:00:aa:01:22', device: 'vnet7', kind: 'tap' },
    { mac: '52:54:00:77:01:23', device: null, kind: 'user' },
    { mac: '52:54:00:77:01:24', device: null, kind: null },
    { mac: '52:54:00:77:01:25', device: null, kind: 'tap' },
  ]);
});

test('the queues of a card are one card', () => {
  const queue = 'net0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:77:01:21\n \\ n0: index=0,type=tap,fd=32';
  assert.equal(parse(`${queue}\n${queue.replaceAll('index=0', 'index=1')}`).length, 1);
});

test('no text makes it fail, nor makes a device of what could be none', () => {
  holds(
    property(string({ unit: 'binary', maxLength: 300 }), (name) => {
      const text = `${name}\nn: index=0,type=nic,macaddr=52:54:00:77:01:21\n \\ t: index=0,type=tap,ifname=${name}\n`;
      for (const { device } of parse(text)) assert.ok(device === null || /^[^,\s/]{1,15}$/.test(device));
    }),
  );
});
