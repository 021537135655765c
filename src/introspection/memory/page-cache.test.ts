// The page cache on memory made up in the test: what it gives, what it counts, when it reads again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageBytes } from './guest-memory.ts';
import type { GuestMemory } from './guest-memory.ts';
import { PageCache } from './page-cache.ts';

/** Pages 0..`pages` of which each word holds its own address; writable by the test, holes on demand. */
class Memory implements GuestMemory {
  readonly end: number;
  readonly bytes: Buffer;
  readonly holes = new Set<number>();
  reads = 0;

  constructor(pages: number) {
    this.end = pages * pageBytes;
    this.bytes = Buffer.alloc(this.end);
    for (let at = 0; at < this.end; at += 4) this.bytes.writeUInt32LE(at, at);
  }

  read(address: number, into: Uint8Array, offset: number, length: number): boolean {
    this.reads += 1;
    if (!(address >= 0) || address + length > this.end) return false;
    for (let page = Math.floor(address / pageBytes); page * pageBytes < address + length; page += 1) {
      if (this.holes.has(page)) return false;
    }
    into.set(this.bytes.subarray(address, address + length), offset);
    return true;
  }

  close(): void {}
}

test('numbers of all widths come out little-endian, texts end at NUL or their limit', () => {
  const memory = new Memory(4);
  memory.bytes.writeBigUInt64LE(0x0011_2233_4455_6677n, 64);
  memory.bytes.write('name\0rest', 128);
  memory.bytes.write('across the edge\0', pageBytes - 6);
  const pages = new PageCache(memory);
  pages.begin(100);
  assert.equal(pages.u8(65), 0x66);
  assert.equal(pages.u16(66), 0x4455);
  assert.equal(pages.u32(68), 0x0011_2233);
  assert.equal(pages.u64(64), Number(0x0011_2233_4455_6677n));
  assert.equal(pages.text(128, 64), 'name');
  assert.equal(pages.text(128, 2), 'na');
  assert.equal(pages.text(pageBytes - 6, 64), 'across the edge');
  assert.deepEqual(pages.copy(pageBytes - 4, 8), memory.bytes.subarray(pageBytes - 4, pageBytes + 4));
  assert.equal(pages.faults, 0);
});

test('a page is read once a sweep; the next sweep sees what has changed', () => {
  const memory = new Memory(4);
  const pages = new PageCache(memory);
  pages.begin(100);
  assert.equal(pages.u32(pageBytes), pageBytes);
  memory.bytes.writeUInt32LE(7, pageBytes);
  assert.equal(pages.u32(pageBytes), pageBytes);
  assert.equal(memory.reads, 1);
  pages.refresh(pageBytes + 100);
  assert.equal(pages.u32(pageBytes), 7);
  memory.bytes.writeUInt32LE(8, pageBytes);
  pages.begin(100);
  assert.equal(pages.u32(pageBytes), 8);
});

test('what the last sweep looked at is read ahead in stretches, over small gaps, and stays right as it changes', () => {
  const memory = new Memory(200);
  const pages = new PageCache(memory);
  const look = (page: number): void =>
    assert.equal(pages.u32(page * pageBytes), memory.bytes.readUInt32LE(page * pageBytes));
  const wanted = [3, 4, 5, 7, 8, 100, 101, 150];
  for (let sweep = 0; sweep < 6; sweep += 1) {
    memory.bytes.fill(sweep);
    pages.begin(1000);
    wanted.forEach(look);
    // One stray page a sweep is no reason to set the runs up anew.
    look(160 + sweep);
    if (sweep > 0) assert.ok(pages.reads <= 5, `${pages.reads} reads in sweep ${sweep}`);
  }
  // Another working set altogether.
  for (let sweep = 0; sweep < 3; sweep += 1) {
    memory.bytes.fill(100 + sweep);
    pages.begin(1000);
    [20, 21, 22, 23, 60].forEach(look);
  }
  assert.ok(pages.reads <= 2, `${pages.reads} reads`);
});

test('a page that cannot be read shows zeros and is counted, and is tried again in the next sweep', () => {
  const memory = new Memory(8);
  memory.holes.add(2);
  const pages = new PageCache(memory);
  pages.begin(100);
  for (const address of [2 * pageBytes, 8 * pageBytes, 2 ** 51, -1, Number.NaN]) {
    const before = pages.faults;
    assert.equal(pages.u32(address), 0, String(address));
    assert.ok(pages.faults > before, String(address));
  }
  assert.equal(pages.text(2 * pageBytes, 16), '');
  memory.holes.clear();
  pages.begin(100);
  assert.equal(pages.u32(2 * pageBytes), 2 * pageBytes);
  assert.equal(pages.faults, 0);
});

test('a page that vanishes between two sweeps is a fault, not an old page', () => {
  const memory = new Memory(8);
  const pages = new PageCache(memory);
  for (let sweep = 0; sweep < 3; sweep += 1) {
    pages.begin(100);
    pages.u32(3 * pageBytes);
    pages.u32(4 * pageBytes);
  }
  memory.holes.add(4);
  pages.begin(100);
  assert.equal(pages.u32(3 * pageBytes), 3 * pageBytes);
  assert.equal(pages.u32(4 * pageBytes), 0);
  assert.equal(pages.faults, 1);
});

test('no sweep reads more than it was given', () => {
  const memory = new Memory(64);
  const pages = new PageCache(memory);
  pages.begin(10);
  for (let page = 0; page < 64; page += 1) pages.u32(page * pageBytes);
  assert.equal(pages.exhausted, true);
  assert.equal(memory.reads, 10);
  assert.equal(pages.faults, 54);
});

test('no more pages are kept than allowed, and all are still right', () => {
  const memory = new Memory(64);
  const pages = new PageCache(memory, { pagesMax: 16 });
  pages.begin(10_000);
  for (let round = 0; round < 3; round += 1) {
    for (let page = 0; page < 64; page += 1) assert.equal(pages.u32(page * pageBytes + 8), page * pageBytes + 8);
  }
  assert.equal(pages.faults, 0);
});

test('a cache that gave its memory back reads anew and grows again', () => {
  const memory = new Memory(200);
  const pages = new PageCache(memory);
  pages.begin(1000);
  for (let page = 0; page < 200; page += 1) pages.u32(page * pageBytes);
  memory.bytes.fill(9);
  pages.release();
  for (let page = 0; page < 200; page += 1) assert.equal(pages.u32(page * pageBytes), 0x0909_0909);
  pages.begin(1000);
  assert.equal(pages.u32(199 * pageBytes), 0x0909_0909);
  assert.equal(pages.u32(200 * pageBytes), 0, 'what cannot be read still shows zeros');
});
