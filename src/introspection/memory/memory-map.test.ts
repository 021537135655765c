// QEMU's memory tree and the host's process maps, as different machines print them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findMapping, parseMemoryTree } from './memory-map.ts';

/** QEMU 7.2, machine `pc`, 192 MiB; other views and devices cut. */
const small = `FlatView #0
 AS "I/O", root: io
 Root memory region: io
  0000000000000000-0000000000000007 (prio 0, i/o): dma-chan

FlatView #1
 AS "cpu-smm-0", root: memory
 Root memory region: memory
  0000000000000000-000000000000ffff (prio 0, ram): not.this

FlatView #2
 AS "memory", root: system
 AS "cpu-memory-0", root: system
 Root memory region: system
  0000000000000000-00000000000c2fff (prio 0, ram): pc.ram
  00000000000c3000-00000000000e7fff (prio 0, rom): pc.ram @00000000000c3000
  00000000000e8000-000000000bffffff (prio 0, ram): pc.ram @00000000000e8000
  00000000fd000000-00000000fdffffff (prio 1, ram): vga.vram
  00000000fec00000-00000000fec00fff (prio 0, i/o): ioapic
  00000000fffc0000-00000000ffffffff (prio 0, rom): pc.bios
`;

/** Machine `q35` under KVM with two NUMA nodes and a hot-plugged module; memory continues above 4 GiB. */
const large = `FlatView #0
 AS "memory", root: system
 Root memory region: system
  0000000000000000-000000000009ffff (prio 0, ram): ram-node0 KVM
  00000000000a0000-00000000000bffff (prio 1, ram): vga.vram KVM
  00000000000c0000-000000007fffffff (prio 0, ram): ram-node0 @00000000000c0000 KVM
  0000000100000000-000000017fffffff (prio 0, ram): ram-node0 @0000000080000000 KVM
  0000000180000000-00000001ffffffff (prio 0, ram): ram-node1 KVM
  0000000200000000-000000023fffffff (prio 0, ram): memdimm0 KVM
`;

test('the RAM block at address 0 is taken whole, shadowed ROM included, devices left out', () => {
  assert.deepEqual(parseMemoryTree(small, new Set()), [
    { start: 0, end: 0xc3000, block: 'pc.ram', blockOffset: 0 },
    { start: 0xc3000, end: 0xe8000, block: 'pc.ram', blockOffset: 0xc3000 },
    { start: 0xe8000, end: 0xc000000, block: 'pc.ram', blockOffset: 0xe8000 },
  ]);
});

test('memory above 4 GiB, further NUMA nodes and hot-plugged modules are found by the names of their backends', () => {
  const stretches = parseMemoryTree(large, new Set(['ram-node0', 'ram-node1', 'memdimm0']));
  assert.deepEqual(
    stretches.map(({ start, end, block, blockOffset }) => [start, end, block, blockOffset]),
    [
      [0, 0xa0000, 'ram-node0', 0],
      [0xc0000, 0x80000000, 'ram-node0', 0xc0000],
      [0x1_0000_0000, 0x1_8000_0000, 'ram-node0', 0x8000_0000],
      [0x1_8000_0000, 0x2_0000_0000, 'ram-node1', 0],
      [0x2_0000_0000, 0x2_4000_0000, 'memdimm0', 0],
    ],
  );
});

test('what is no memory tree has no RAM', () => {
  for (const text of [
    '',
    'unknown command: info mtree',
    'FlatView #0\n AS "memory"\n',
    small.replaceAll('AS "memory"', 'AS "other"'),
  ]) {
    assert.deepEqual(parseMemoryTree(text, new Set()), []);
  }
});

const maps = `55d0c8a00000-55d0c8f00000 r-xp 00000000 fe:01 1234                       /usr/bin/qemu-system-x86_64
7f9e3fe00000-7f9e4be00000 rw-p 00000000 00:00 0
7f9e50000000-7f9e5c000000 rw-s 00200000 00:01 4099                       /memfd:memory-backend-memfd (deleted)
`;

test('the mapping that holds an address is found with its file', () => {
  assert.deepEqual(findMapping(maps, 0x7f9e3fe00000), {
    start: 0x7f9e3fe00000,
    end: 0x7f9e4be00000,
    shared: false,
    fileOffset: 0,
    device: '00:00',
    inode: 0,
  });
  assert.deepEqual(findMapping(maps, 0x7f9e5bffffff), {
    start: 0x7f9e50000000,
    end: 0x7f9e5c000000,
    shared: true,
    fileOffset: 0x200000,
    device: '00:01',
    inode: 4099,
  });
  assert.equal(findMapping(maps, 0x7f9e5c000000), null);
});
