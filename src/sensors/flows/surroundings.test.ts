// What is read of a host to know where a VM is plugged in, and what follows from it.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseLinks } from '../../protocols/iproute/host-links.ts';
import { chooseListeningPoints, type PluggedVm, type Surroundings } from './listening-points.ts';
import { parseBridges } from './ovs-database.ts';
import { udpDrops } from './udp-drops.ts';
import { interfacesOf, readCards } from './vm-interfaces.ts';

const procRoot = mkdtempSync(join(tmpdir(), 'plumbline-proc-'));
after(() => rmSync(procRoot, { recursive: true, force: true }));

test('the devices of a QEMU process are those it holds open', () => {
  const directory = join(procRoot, '7');
  for (const part of ['fd', 'fdinfo', 'ns']) mkdirSync(join(directory, part), { recursive: true });
  writeFileSync(
    join(directory, 'cmdline'),
    ['qemu', '-device', 'virtio-net-pci,netdev=n,mac=52:54:00:AA:00:01', ''].join('\0'),
  );
  symlinkSync('net:[4026531840]', join(directory, 'ns/net'));
  const files = { 3: '/dev/kvm', 9: '/dev/net/tun', 10: '/dev/net/tun', 11: '/dev/tap42', 12: '/dev/net/tun' };
  for (const [fd, target] of Object.entries(files)) symlinkSync(target, join(directory, 'fd', fd));
  const tap = (name: string): string => `pos:\t0\nflags:\t0104002\niff:\t${name}\n`;
  for (const [fd, name] of [
    [9, 'vnet0'],
    [10, 'vnet0'],
    [12, 'vnet1'],
  ] as const)
    writeFileSync(join(directory, 'fdinfo', String(fd)), tap(name));
  assert.deepEqual(interfacesOf(7, procRoot), {
    taps: ['vnet0', 'vnet1'],
    macvtaps: [42],
    macs: ['52:54:00:aa:00:01'],
    unseen: [],
    namespace: 'net:[4026531840]',
  });
  assert.equal(interfacesOf(8, procRoot), null);
});

test('the cards on a command line, however it was written', () => {
  const cases: readonly (readonly [readonly string[], readonly string[], readonly string[]])[] = [
    [['-netdev', 'tap,id=n', '-device', 'virtio-net-pci,netdev=n,mac=52:54:00:00:00:0A'], ['52:54:00:00:00:0a'], []],
    [
      [
        '-netdev',
        '{"type":"tap","fd":"33","id":"h"}',
        '-device',
        '{"driver":"virtio-net-pci","netdev":"h","mac":"52:54:00:00:00:0b"}',
      ],
      ['52:54:00:00:00:0b'],
      [],
    ],
    [['-nic', 'tap,ifname=t0,mac=52:54:00:00:00:0c'], ['52:54:00:00:00:0c'], []],
    [['-net', 'nic,macaddr=52:54:00:00:00:0d', '-net', 'user'], ['52:54:00:00:00:0d'], ['user']],
    [
      ['-netdev', 'user,id=u', '-device', 'e1000,netdev=u', '-device', 'e1000,netdev=v'],
      ['52:54:00:12:34:56', '52:54:00:12:34:57'],
      ['user'],
    ],
    [['-device', 'vfio-pci,host=01:00.0'], [], ['a passed-through PCI device']],
    [['-device', 'virtio-net-pci,netdev=n,mac=nonsense', '-device', '{"netdev":'], [], []],
    [['-nic', 'none', '-device', 'virtio-blk-pci,drive=d'], [], []],
  ];
  for (const [argv, macs, unseen] of cases) assert.deepEqual(readCards(argv), { macs, unseen }, argv.join(' '));
});

test('links with the Linux bridge they are on', () => {
  const text = JSON.stringify([
    { ifindex: 1, ifname: 'lo' },
    { ifindex: 2, ifname: 'br0', linkinfo: { info_kind: 'bridge' } },
    { ifindex: 3, ifname: 'vnet0', master: 'br0' },
    { ifindex: 4, ifname: 'vnet1', master: 'ovs-system' },
    { ifname: 5 },
    null,
  ]);
  assert.deepEqual(parseLinks(text), [
    { name: 'lo', index: 1, bridge: null },
    { name: 'br0', index: 2, bridge: null },
    { name: 'vnet0', index: 3, bridge: 'br0' },
    { name: 'vnet1', index: 4, bridge: null },
  ]);
  assert.deepEqual(parseLinks('Device not found'), []);
});

const uuid = (name: string): readonly [string, string] => ['uuid', name];
const list = (headings: readonly string[], data: readonly unknown[]): string => JSON.stringify({ headings, data });
const database = [
  list(
    ['name', 'ports', 'ipfix', 'sflow'],
    [
      ['br0', ['set', [uuid('p1'), uuid('p2')]], uuid('i1'), ['set', []]],
      ['br1', uuid('p3'), ['set', []], uuid('s1')],
    ],
  ),
  list(
    ['_uuid', 'interfaces'],
    [
      [uuid('p1'), uuid('n1')],
      [uuid('p2'), ['set', [uuid('n2'), uuid('n3')]]],
      [uuid('p3'), uuid('n4')],
    ],
  ),
  list(
    ['_uuid', 'name'],
    [
      [uuid('n1'), 'br0'],
      [uuid('n2'), 'vnet0'],
      [uuid('n3'), 'vnet1'],
      [uuid('n4'), 'vnet2'],
    ],
  ),
  list(['_uuid', 'external_ids'], [[uuid('i1'), ['map', [['plumbline', '12/345']]]]]),
  list(['_uuid', 'external_ids'], [[uuid('s1'), ['map', []]]]),
].join('\n');

test('bridges of Open vSwitch with their ports and whose export they have', () => {
  const bridges = parseBridges(database);
  assert.ok(bridges.ok);
  assert.deepEqual(bridges.value, [
    {
      name: 'br0',
      ports: new Set(['br0', 'vnet0', 'vnet1']),
      exports: { ipfix: { uuid: 'i1', owner: '12/345' }, sflow: null },
    },
    { name: 'br1', ports: new Set(['vnet2']), exports: { ipfix: null, sflow: { uuid: 's1', owner: null } } },
  ]);
  for (const text of ['', 'ovs-vsctl: no such thing', '{}\n[]\n3']) {
    const read = parseBridges(text);
    assert.ok(!read.ok || read.value.length === 0, text);
  }
});

test('each VM is listened to once, where that tells most', () => {
  const bridges = parseBridges(database);
  assert.ok(bridges.ok);
  const vm = (name: string, taps: readonly string[], namespace = 'own', unseen: readonly string[] = []): PluggedVm => ({
    vm: name,
    pid: 5,
    interfaces: { taps, macvtaps: [], macs: [], unseen, namespace },
  });
  const around: Surroundings = {
    ownNamespace: 'own',
    linksOf: () => [{ name: 'vnet3', index: 9, bridge: 'br9' }],
    bridges: bridges.value,
    exported: new Map([
      ['br0', { ipfix: true, sflow: true }],
      ['br1', { ipfix: true, sflow: false }],
    ]),
    tracked: new Set(),
  };
  const vms = [
    vm('a', ['vnet0']),
    vm('b', ['vnet2']),
    vm('c', ['vnet3']),
    vm('d', ['vnet0'], 'other'),
    vm('e', [], 'own', ['user']),
  ];
  const points = chooseListeningPoints(vms, around);
  assert.deepEqual(
    points.switches,
    new Map([
      ['br0', new Set(['a'])],
      ['br1', new Set(['b'])],
    ]),
  );
  assert.deepEqual(points.taps, [
    { vm: 'b', device: 'vnet2', namespacePid: null, scope: 'openings' },
    { vm: 'c', device: 'vnet3', namespacePid: null, scope: 'all' },
    { vm: 'd', device: 'vnet0', namespacePid: 5, scope: 'all' },
  ]);
  assert.deepEqual(
    points.coverage.map(({ vm, by }) => [vm, by]),
    [
      ['a', 'switch'],
      ['b', 'switch and tap'],
      ['c', 'tap'],
      ['d', 'tap'],
      ['e', null],
    ],
  );
  const nothing = { ipfix: false, sflow: false };
  const refused = {
    ...around,
    exported: new Map([
      ['br0', nothing],
      ['br1', nothing],
    ]),
    tracked: new Set(['own']),
  };
  assert.deepEqual(
    chooseListeningPoints(vms.slice(0, 3), refused).taps.map(({ device, scope }) => [device, scope]),
    [
      ['vnet0', 'all'],
      ['vnet2', 'all'],
      ['vnet3', 'openings'],
    ],
  );
});

test('what a socket had to throw away', () => {
  mkdirSync(join(procRoot, 'self/net'), { recursive: true });
  const line = ' 4: 0100007F:18C7 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 5 2 0000000000000000 31';
  writeFileSync(join(procRoot, 'self/net/udp'), `  sl  local_address rem_address ... drops\n${line}\n`);
  assert.equal(udpDrops(6343, procRoot), 31);
  assert.equal(udpDrops(6344, procRoot), null);
  assert.equal(udpDrops(6343, join(procRoot, 'nowhere')), null);
});
