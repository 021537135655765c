// Maps of disk blocks written by the test as ext4 writes them, read back; and damaged ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as holds, boolean, nat, property, record, uint8Array } from 'fast-check';
import { fail, ok } from '../../../kit/result.ts';
import { problem } from '../../../kit/problem.ts';
import { isExtentRoot, nearestRoot, readExtents, rootBytes } from './extents.ts';
import type { Extent } from './extents.ts';

const blockBytes = 4096;
const entriesPerBlock = Math.floor((blockBytes - 12) / 12);

function node(bytes: number, depth: number, entries: readonly Buffer[]): Buffer {
  const block = Buffer.alloc(bytes);
  block.writeUInt16LE(0xf30a, 0);
  block.writeUInt16LE(entries.length, 2);
  block.writeUInt16LE(bytes === rootBytes ? 4 : entriesPerBlock, 4);
  block.writeUInt16LE(depth, 6);
  entries.forEach((entry, index) => entry.copy(block, 12 + index * 12));
  return block;
}

function leaf({ from, blocks, at, written }: Extent): Buffer {
  const entry = Buffer.alloc(12);
  entry.writeUInt32LE(from, 0);
  entry.writeUInt16LE(written ? blocks : blocks + 32_768, 4);
  entry.writeUInt16LE(Math.floor(at / 2 ** 32), 6);
  entry.writeUInt32LE(at % 2 ** 32, 8);
  return entry;
}

function index(from: number, block: number): Buffer {
  const entry = Buffer.alloc(12);
  entry.writeUInt32LE(from, 0);
  entry.writeUInt32LE(block % 2 ** 32, 4);
  entry.writeUInt16LE(Math.floor(block / 2 ** 32), 8);
  return entry;
}

/** As few levels as the number of extents needs. */
function build(extents: readonly Extent[]): { readonly root: Buffer; readonly blocks: ReadonlyMap<number, Buffer> } {
  const blocks = new Map<number, Buffer>();
  let entries = extents.map((extent) => ({ from: extent.from, entry: leaf(extent) }));
  let depth = 0;
  while (entries.length > 4) {
    const above: typeof entries = [];
    for (let first = 0; first < entries.length; first += 7) {
      const group = entries.slice(first, first + 7);
      const block = 2 ** 33 + blocks.size;
      blocks.set(
        block,
        node(
          blockBytes,
          depth,
          group.map(({ entry }) => entry),
        ),
      );
      above.push({ from: group[0]?.from ?? 0, entry: index(group[0]?.from ?? 0, block) });
    }
    entries = above;
    depth += 1;
  }
  return {
    root: node(
      rootBytes,
      depth,
      entries.map(({ entry }) => entry),
    ),
    blocks,
  };
}

const reading = (blocks: ReadonlyMap<number, Buffer>) => async (block: number) => {
  const found = blocks.get(block);
  return found === undefined ? fail(problem('failed', `no block ${block}`)) : ok(found);
};

const stretches = array(record({ gap: nat(100), blocks: nat(1000), at: nat(), written: boolean() }), {
  maxLength: 120,
});

test('every extent is read back, over as many levels as there are', async () => {
  let reached = 0;
  const cases: (readonly Extent[])[] = [];
  holds(
    property(stretches, (found) => {
      reached = 0;
      cases.push(
        found.map(({ gap, blocks, at, written }) => {
          const from = reached + gap;
          reached = from + blocks + 1;
          return { from, blocks: blocks + 1, at: at * 16, written };
        }),
      );
    }),
    { numRuns: 60 },
  );
  for (const extents of cases) {
    const { root, blocks } = build(extents);
    assert.deepEqual(await readExtents(root, reading(blocks)), ok(extents));
  }
});

test('extents that overlap, levels that do not descend and blocks that cannot be read are problems', async () => {
  const one = { from: 0, blocks: 10, at: 100, written: true };
  const overlap = node(rootBytes, 0, [leaf(one), leaf({ ...one, from: 5 })]);
  const looped = node(rootBytes, 1, [index(0, 7)]);
  const nothing = reading(new Map());
  for (const [root, read] of [
    [overlap, nothing],
    [looped, reading(new Map([[7, node(blockBytes, 1, [index(0, 7)])]]))],
    [looped, nothing],
    [Buffer.alloc(rootBytes), nothing],
  ] as const) {
    assert.ok(!(await readExtents(root, read)).ok);
  }
});

test('a root is found among other bytes: the nearest before the end', () => {
  const bytes = Buffer.alloc(1024, 0x11);
  assert.equal(nearestRoot(bytes), null);
  node(rootBytes, 0, []).copy(bytes, 64);
  const own = node(rootBytes, 2, [index(0, 9)]);
  own.copy(bytes, 512);
  assert.deepEqual(nearestRoot(bytes), own);
  assert.ok(isExtentRoot(own) && !isExtentRoot(bytes));
});

test('noise gives extents or a problem, and ends', async () => {
  const samples: Uint8Array[] = [];
  holds(
    property(uint8Array({ minLength: rootBytes, maxLength: rootBytes }), (bytes) => void samples.push(bytes)),
    { numRuns: 100 },
  );
  for (const bytes of samples) {
    const root = Buffer.from(bytes);
    root.writeUInt16LE(0xf30a, 0);
    root.writeUInt16LE(bytes[2] === undefined ? 0 : bytes[2] % 5, 2);
    root.writeUInt16LE(4, 4);
    root.writeUInt16LE((bytes[6] ?? 0) % 6, 6);
    const block = Buffer.concat([root, Buffer.alloc(blockBytes - rootBytes)]);
    const read = await readExtents(root, async () => ok(block));
    assert.ok(!read.ok || read.value.length <= 100_000);
  }
});
