// One attack, many findings: memory is kept once a minute, and each VM has its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Step } from '../../model/remediation.ts';
import { SnapshotThrift } from './snapshot-thrift.ts';

const stepOf = (vm: string): Step => ({
  id: 's',
  vm,
  action: 'memory-dump',
  why: 'w',
  expect: 'memory kept',
  undo: null,
});

test('memory that was just kept serves the next finding, for a minute, on the same VM', () => {
  const thrift = new SnapshotThrift();
  assert.equal(thrift.servedByMemory(stepOf('a'), 0), null);
  thrift.memoryKept(stepOf('a'), 'a.elf: 5 bytes', 0);
  assert.deepEqual(thrift.servedByMemory(stepOf('a'), 59_999), {
    state: 'done',
    evidence: 'memory kept 60 s before holds this as well: a.elf: 5 bytes',
  });
  assert.equal(thrift.servedByMemory(stepOf('b'), 1), null);
  assert.equal(thrift.servedByMemory(stepOf('a'), 60_000), null);
});
