// Load order comes from the modules themselves: a wrong order is a guest without a disk.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { moduleDependencies, moduleName, orderModules } from './kernel-modules.ts';

test('a module has one name, however its file is spelled', () => {
  for (const path of ['virtio_net.ko', 'kernel/drivers/net/virtio-net.ko.xz', '/a/virtio-net.ko.zst']) {
    assert.equal(moduleName(path), 'virtio_net');
  }
});

test('dependencies are read from .modinfo', () => {
  const module = (text: string): Buffer =>
    Buffer.concat([Buffer.from([0x7f, 0x45]), Buffer.from(text), Buffer.from([1])]);
  assert.deepEqual(moduleDependencies(module('\0license=GPL\0depends=virtio,virtio-ring\0name=x\0')), [
    'virtio',
    'virtio_ring',
  ]);
  assert.deepEqual(moduleDependencies(module('\0license=GPL\0depends=\0name=x\0')), []);
  assert.deepEqual(moduleDependencies(module('\0license=GPL\0')), []);
});

test('each module comes after what it needs, once, and what is built in is left out', () => {
  const needs = new Map([
    ['net', ['failover', 'virtio']],
    ['failover', ['core']],
    ['core', []],
    ['virtio', ['ring', 'builtin']],
    ['ring', []],
    ['blk', ['virtio']],
  ]);
  const order = orderModules(['net', 'blk', 'ext4'], needs);
  assert.deepEqual([...order].sort(), ['blk', 'core', 'failover', 'net', 'ring', 'virtio']);
  for (const [name, needed] of needs) {
    for (const one of needed) assert.ok(order.indexOf(one) < order.indexOf(name), `${one} before ${name}`);
  }
});

test('modules that need each other do not make the walk endless', () => {
  const needs = new Map([
    ['a', ['b']],
    ['b', ['a']],
  ]);
  assert.deepEqual([...orderModules(['a'], needs)].sort(), ['a', 'b']);
});
