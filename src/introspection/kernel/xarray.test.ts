// Trees of numbered pointers built by the test as the kernel builds them, walked, and held against what they were built from; and noise.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as holds, integer, nat, property, tuple, uint8Array } from 'fast-check';
import { directMapHigh, memoryOf, spaceOver } from '../../sim/built-memory.ts';
import { walkXArray } from './xarray.ts';
import type { XArrayEntry, XArrayWalk } from './xarray.ts';

const pageBytes = 4096;
const nodeBytes = 1024;
const slotsAt = 40;
const slotsPerNode = 64;
const head = 64;
const fields = { 'xa_node.shift': 0, 'xa_node.slots': slotsAt };

class Tree {
  readonly bytes = Buffer.alloc(128 * pageBytes);
  #next = pageBytes;

  node(shift: number): number {
    const at = this.#next;
    this.#next += nodeBytes;
    this.bytes[at] = shift;
    return at;
  }

  slot(node: number, index: number): number {
    return node + slotsAt + index * 8;
  }

  put(at: number, low: number, high: number = directMapHigh): void {
    this.bytes.writeUInt32LE(low, at);
    this.bytes.writeUInt32LE(high, at + 4);
  }

  sibling(node: number, index: number, of: number): void {
    this.put(this.slot(node, index), (of << 2) | 2, 0);
  }

  walk(limits = { nodesMax: 1000, end: 2 ** 40 }): {
    readonly entries: readonly XArrayEntry[];
    readonly walk: XArrayWalk;
  } {
    const entries: XArrayEntry[] = [];
    const walk = walkXArray(spaceOver(memoryOf(this.bytes), fields), head, limits, (entry) => entries.push(entry));
    return { entries, walk };
  }
}

/** A tree of the given indices, each below 64^3, as deep as the largest needs. */
function treeOf(indices: readonly number[]): Tree {
  const tree = new Tree();
  const root = tree.node(12);
  tree.put(head, root + 2);
  const nodes = new Map<string, number>([['', root]]);
  for (const index of indices) {
    const steps = [index >>> 12, (index >>> 6) & 63, index & 63] as const;
    let path = '';
    for (const [depth, step] of steps.slice(0, 2).entries()) {
      const below = `${path}/${step}`;
      if (!nodes.has(below)) {
        const node = tree.node(6 - 6 * depth);
        nodes.set(below, node);
        tree.put(tree.slot(nodes.get(path) ?? 0, step), node + 2);
      }
      path = below;
    }
    tree.put(tree.slot(nodes.get(path) ?? 0, steps[2]), 8 * index + 8);
  }
  return tree;
}

test('every entry is visited once, in order, with its pointer', () => {
  holds(
    property(array(nat(200_000), { maxLength: 24 }), (wanted) => {
      const indices = [...new Set(wanted)].sort((one, other) => one - other);
      const { entries, walk } = treeOf(indices).walk();
      assert.deepEqual(
        entries.map(({ index, span, low, isValue }) => [index, span, low, isValue]),
        indices.map((index) => [index, 1, 8 * index + 8, false]),
      );
      assert.deepEqual(walk, { cut: false, torn: 0 });
    }),
  );
});

test('a tree of one entry, an empty one, and a plain number', () => {
  const tree = new Tree();
  assert.deepEqual(tree.walk().entries, []);
  tree.put(head, 4096);
  assert.deepEqual(tree.walk().entries, [
    { index: 0, span: 1, headIndex: 0, high: directMapHigh, low: 4096, isValue: false },
  ]);
  tree.put(head, 0x77, 0);
  assert.equal(tree.walk().entries[0]?.isValue, true);
});

test('a large thing stored once is told for all its indices, siblings with where it starts', () => {
  const tree = new Tree();
  const root = tree.node(6);
  tree.put(head, root + 2);
  tree.put(tree.slot(root, 8), 0x8000);
  for (const index of [9, 10, 11]) tree.sibling(root, index, 8);
  assert.deepEqual(
    tree.walk().entries.map(({ index, span, headIndex, low }) => [index, span, headIndex, low]),
    [8, 9, 10, 11].map((slot) => [slot * slotsPerNode, slotsPerNode, 8 * slotsPerNode, 0x8000]),
  );
});

test('limits, and what no such tree holds, are told', () => {
  const many = treeOf([1, 5000, 100_000]);
  assert.equal(many.walk({ nodesMax: 2, end: 2 ** 40 }).walk.cut, true);
  assert.deepEqual(
    many.walk({ nodesMax: 100, end: 5000 }).entries.map(({ index }) => index),
    [1],
  );
  const looped = new Tree();
  const root = looped.node(6);
  looped.put(head, root + 2);
  looped.put(looped.slot(root, 0), root + 2);
  looped.sibling(root, 1, 1);
  looped.put(looped.slot(root, 2), 0x8000);
  const { entries, walk } = looped.walk();
  assert.deepEqual([entries.map(({ index }) => index), walk.torn], [[128], 2]);
});

test('noise is walked to an end', () => {
  holds(
    property(
      uint8Array({ minLength: 4096, maxLength: 4096 }),
      array(tuple(integer({ min: 0, max: 511 }), nat(126))),
      (page, pointers) => {
        const tree = new Tree();
        for (let at = 0; at < tree.bytes.length; at += page.length) tree.bytes.set(page, at);
        for (const [word, target] of pointers) tree.put(word * 8, target * pageBytes + 2);
        const { entries } = tree.walk({ nodesMax: 200, end: 2 ** 40 });
        assert.ok(entries.length <= 200 * slotsPerNode);
      },
    ),
    { numRuns: 50 },
  );
});
