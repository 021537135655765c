// Page tables built in the test, walked, and held against what they were built from; and tables of noise.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, boolean, nat, property, uint8Array } from 'fast-check';
import { pageBytes } from '../memory/guest-memory.ts';
import type { GuestMemory } from '../memory/guest-memory.ts';
import { PageCache } from '../memory/page-cache.ts';
import { mappedImage, translate, unmapped } from './page-table.ts';

const present = 1n;
const writable = 2n;
const large = 0x80n;
const noExecute = 1n << 63n;

function memoryOf(bytes: Buffer): GuestMemory {
  return {
    end: bytes.length,
    read(address, into, offset, length) {
      if (!(address >= 0) || address + length > bytes.length) return false;
      into.set(bytes.subarray(address, address + length), offset);
      return true;
    },
    close() {},
  };
}

class Tables {
  readonly bytes = Buffer.alloc(128 * pageBytes);
  readonly la57: boolean;
  readonly root: number;
  #next = 1;

  constructor(la57: boolean) {
    this.la57 = la57;
    this.root = this.#table();
  }

  /** `level` 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB. */
  map(virtual: bigint, physical: bigint, level: 1 | 2 | 3, flags: bigint): void {
    let table = this.root;
    for (let at = this.la57 ? 5 : 4; at > level; at -= 1) {
      const entry = table + this.#index(virtual, at) * 8;
      if (this.bytes.readBigUInt64LE(entry) === 0n) {
        this.bytes.writeBigUInt64LE(BigInt(this.#table()) | present | writable, entry);
      }
      table = Number(this.bytes.readBigUInt64LE(entry) & 0x000f_ffff_ffff_f000n);
    }
    const leaf = physical | present | flags | (level > 1 ? large : 0n);
    this.bytes.writeBigUInt64LE(leaf, table + this.#index(virtual, level) * 8);
  }

  look(virtual: bigint): number {
    const pages = new PageCache(memoryOf(this.bytes));
    const root = { address: this.root, la57: this.la57 };
    return translate(pages, root, Number((virtual >> 32n) & 0xffff_ffffn), Number(virtual & 0xffff_ffffn));
  }

  #index(virtual: bigint, level: number): number {
    return Number((virtual >> BigInt(12 + 9 * (level - 1))) & 511n);
  }

  #table(): number {
    this.#next += 1;
    return this.#next * pageBytes;
  }
}

for (const la57 of [false, true]) {
  const levels = la57 ? 'five' : 'four';

  test(`${levels} levels: pages of every size lead where they were mapped, others nowhere`, () => {
    const tables = new Tables(la57);
    const direct = la57 ? 0xff11_0000_0000_0000n : 0xffff_8880_0000_0000n;
    tables.map(0x5555_5555_4000n, 0x1_2345_6000n, 1, writable);
    tables.map(direct + 0x4000_0000n, 0x4000_0000n, 3, writable | noExecute);
    tables.map(0xffff_ffff_8120_0000n, 0x0000_000f_ffe0_0000n, 2, 0n);
    assert.equal(tables.look(0x5555_5555_4abcn), 0x1_2345_6abc);
    assert.equal(tables.look(direct + 0x7fff_fff8n), 0x7fff_fff8);
    assert.equal(tables.look(0xffff_ffff_8133_3333n), 0xf_fff3_3333);
    for (const elsewhere of [0x5555_5555_5000n, direct, 0xffff_ffff_8140_0000n, 0n, 0xffff_ffff_ffff_ffffn]) {
      assert.equal(tables.look(elsewhere), unmapped, elsewhere.toString(16));
    }
  });

  test(`${levels} levels: the kernel image comes out as runs of like permission`, () => {
    const tables = new Tables(la57);
    const window = 0xffff_ffff_8000_0000n;
    tables.map(window + 0x0120_0000n, 0x0600_0000n, 2, 0n);
    tables.map(window + 0x0140_0000n, 0x0620_0000n, 2, 0n);
    for (let page = 0n; page < 3n; page += 1n) {
      tables.map(window + 0x0160_0000n + page * 4096n, 0x0640_0000n + page * 4096n, 1, noExecute);
    }
    tables.map(window + 0x0180_0000n, 0x0660_0000n, 2, writable | noExecute);
    const runs = mappedImage(new PageCache(memoryOf(tables.bytes)), { address: tables.root, la57 });
    assert.deepEqual(
      runs.map((run) => [run.offset, run.physical, run.sizeBytes, run.writable, run.executable]),
      [
        [0x0120_0000, 0x0600_0000, 0x40_0000, false, true],
        [0x0160_0000, 0x0640_0000, 0x3000, false, false],
        [0x0180_0000, 0x0660_0000, 0x20_0000, true, false],
      ],
    );
  });
}

test('noise for page tables leads somewhere or nowhere, never astray', () => {
  holds(
    property(
      uint8Array({ minLength: 2 * pageBytes, maxLength: 2 * pageBytes }),
      nat(),
      nat(),
      boolean(),
      (noise, high, low, la57) => {
        const pages = new PageCache(memoryOf(Buffer.from(noise)));
        pages.begin(5000);
        const at = translate(pages, { address: pageBytes, la57 }, high >>> 0, low >>> 0);
        assert.ok(Number.isSafeInteger(at) && at >= 0 && at < 2 ** 52);
        mappedImage(pages, { address: pageBytes, la57 });
      },
    ),
    { numRuns: 30 },
  );
});
