// Memory of a process read by stretches, and by others once they have changed; this process stands in for QEMU.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { type MachineMemory, type MappedStretch, openQemuMemory } from './qemu-memory.ts';

const page = 4096;
/** Where the program's own file is mapped: it begins with the letters of its format. */
const base = Number.parseInt(
  /^([0-9a-f]+)-[0-9a-f]+ r\S+ 0+ /m.exec(readFileSync('/proc/self/maps', 'latin1'))?.[1] ?? '',
  16,
);
const elf = Buffer.from('\u{7f}ELF', 'latin1');

const stretch = (start: number): MappedStretch => ({
  start,
  end: start + page,
  block: 'pc.ram',
  blockOffset: 0,
  hostAddress: base,
});

suite('memory of a machine', () => {
  let memory: MachineMemory;
  beforeEach(() => {
    const opened = openQemuMemory(process.pid, [stretch(0)]);
    assert.ok(opened.ok);
    memory = opened.value;
  });
  afterEach(() => memory.close());

  /** What lies there, or null. */
  function at(address: number): Buffer | null {
    const bytes = Buffer.alloc(elf.length);
    return memory.read(address, bytes, 0, bytes.length) ? bytes : null;
  }

  test('is read where it lies, and nowhere else', () => {
    assert.deepEqual([at(0), at(2 * page), memory.end], [elf, null, page]);
  });

  test('that was plugged in is read too, and what was taken out no more', () => {
    assert.ok(memory.remap([stretch(0), stretch(2 * page)]).ok);
    assert.deepEqual([at(0), at(page), at(2 * page), memory.end], [elf, null, elf, 3 * page]);
    assert.ok(memory.remap([stretch(2 * page)]).ok);
    assert.deepEqual([at(0), at(2 * page)], [null, elf]);
  });

  test('holds no more files for being mapped time and again', () => {
    const files = (): number => readdirSync('/proc/self/fd').length;
    const before = files();
    for (let i = 0; i < 2000; i += 1) assert.ok(memory.remap([stretch(i * page)]).ok);
    assert.equal(files(), before);
    assert.deepEqual(at(1999 * page), elf);
  });

  test('is not mapped anew after it was closed', () => {
    memory.close();
    assert.equal(memory.remap([stretch(0)]).ok, false);
    assert.equal(at(0), null);
  });
});
