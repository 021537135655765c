// Symbol tables compressed by the test in each of the kernel's layouts, at odd places among noise, and read back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as holds, nat, property, tuple } from 'fast-check';
import { findSymbols } from './kallsyms.ts';
import type { ImageBytes, KallsymsLayout } from './kallsyms.ts';

const textLow = 0x8120_0000;
const imageBytes = 4 * 1024 * 1024;
const placeInImage = 0x10_0000;

/** Tokens 0..255: printable characters stand for themselves, the first codes for often seen stretches. */
const tokens = Array.from({ length: 256 }, (_, code) => {
  const often = ['sys_', '_init', 'ret', 'T_', 'get_'];
  if (code < often.length) return often[code] ?? '';
  return code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : 'zz';
});

function compress(name: string): Buffer {
  const codes: number[] = [];
  for (let at = 0; at < name.length;) {
    const often = tokens.findIndex((token, code) => code < 5 && name.startsWith(token, at));
    codes.push(often >= 0 ? often : name.charCodeAt(at));
    at += often >= 0 ? (tokens[often] ?? '').length : 1;
  }
  const length = codes.length < 0x80 ? [codes.length] : [0x80 | (codes.length & 0x7f), codes.length >> 7];
  return Buffer.from([...length, ...codes]);
}

interface Symbol {
  readonly name: string;
  readonly offset: number;
}

function u32s(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeInt32LE(value | 0, 4 * index));
  return bytes;
}

function pointer(offset: number): Buffer {
  return u32s([textLow + offset, -1]);
}

function aligned(parts: readonly Buffer[], to: number): Buffer {
  const all = Buffer.concat(parts);
  return Buffer.concat([all, Buffer.alloc((to - (all.length % to)) % to)]);
}

/** `absolutePerCpu`: as kernels to 6.14 write offsets, negative ones from the base. */
function build(layout: KallsymsLayout, symbols: readonly Symbol[], absolutePerCpu: boolean): ImageBytes {
  const names = symbols.map(({ name }) => compress(`T${name}`));
  const markers: number[] = [];
  let length = 0;
  names.forEach((name, index) => {
    if (index % 256 === 0) markers.push(length);
    length += name.length;
  });
  const starts: number[] = [];
  let tokenBytes = Buffer.alloc(0);
  for (const token of tokens) {
    starts.push(tokenBytes.length);
    tokenBytes = Buffer.concat([tokenBytes, Buffer.from(`${token}\0`, 'latin1')]);
  }
  const index = Buffer.alloc(512);
  starts.forEach((start, code) => index.writeUInt16LE(start, 2 * code));
  const base = symbols[0]?.offset ?? 0;
  const offsets = aligned([u32s(symbols.map(({ offset }) => (absolutePerCpu ? base - 1 - offset : offset - base)))], 8);
  const count = aligned([u32s([symbols.length])], 8);
  const tables = [aligned(names, 8), aligned([u32s(markers)], 8), aligned([tokenBytes], 8), aligned([index], 8)];
  const lead = Buffer.alloc(4096, 0x5a);
  if (layout === 'A') return image([lead, offsets, pointer(base), count, ...tables]);
  if (layout === 'B') return image([lead, count, ...tables, offsets, pointer(base)]);
  const before = [lead, count, ...tables];
  const at = placeInImage + Buffer.concat(before).length;
  const relative = aligned([u32s(symbols.map(({ offset }, i) => offset - (at + 4 * i)))], 8);
  return image([...before, relative, Buffer.alloc(64)]);
}

function image(parts: readonly Buffer[]): ImageBytes {
  const all = Buffer.concat([...parts, Buffer.alloc(4096, 0x33)]);
  const bytes = Buffer.from(new ArrayBuffer(all.length));
  all.copy(bytes);
  return { bytes, offset: placeInImage, textLow, sizeBytes: imageBytes };
}

/** Enough of them for the table to be believed, of all lengths, some longer than 127 tokens. */
const symbols: readonly Symbol[] = Array.from({ length: 12_000 }, (_, index) => ({
  name:
    index % 997 === 5 ? `long_${'x'.repeat(140)}_${index}` : `sys_call_${index % 7 === 0 ? 'get_' : ''}${index}_init`,
  offset: 0x1000 + 16 * index,
}));

const cases: readonly (readonly [KallsymsLayout, boolean])[] = [
  ['A', true],
  ['A', false],
  ['B', true],
  ['B', false],
  ['C', false],
];

for (const [layout, absolutePerCpu] of cases) {
  test(`layout ${layout}${absolutePerCpu ? ', per-CPU symbols absolute' : ''}: symbols are found where they are`, () => {
    const wanted = [0, 5, 255, 256, 1002, 4711, 11_999].map((index) => symbols[index] ?? { name: '', offset: 0 });
    const found = findSymbols(build(layout, symbols, absolutePerCpu), [...wanted.map(({ name }) => name), 'not_there']);
    assert.ok(found.ok, JSON.stringify(found));
    assert.equal(found.value.layout, layout);
    assert.equal(found.value.count, symbols.length);
    assert.deepEqual(
      [...found.value.offsets],
      wanted.map(({ name, offset }) => [name, offset]),
    );
    // The next symbol's start; the last one has none.
    assert.deepEqual(
      [...found.value.ends],
      wanted.map(({ name, offset }, index) => [name, index === wanted.length - 1 ? offset : offset + 16]),
    );
    assert.equal(found.value.perCpu.size, 0);
  });
}

test('a function ends at the next address, not at another name of its own', () => {
  const aliased = symbols.map((symbol, index) =>
    index === 701 || index === 702 ? { ...symbol, offset: 0x1000 + 16 * 700 } : symbol,
  );
  const found = findSymbols(build('C', aliased, false), [symbols[700]?.name ?? '']);
  assert.ok(found.ok);
  assert.deepEqual([...found.value.ends.values()], [0x1000 + 16 * 703]);
});

test('where per-CPU symbols are absolute, they are told apart from addresses', () => {
  const base = 0x1000;
  // Written as `base - 1 - offset`: a number below the base comes out as itself.
  const perCpu = symbols.map((symbol, index) =>
    index === 0 || index > 40 ? symbol : { ...symbol, offset: base - 1 - 64 * index },
  );
  const wanted = [symbols[3]?.name ?? '', symbols[50]?.name ?? ''];
  const found = findSymbols(build('B', perCpu, true), wanted);
  assert.ok(found.ok);
  assert.deepEqual([...found.value.perCpu], [[wanted[0], 64 * 3]]);
  assert.deepEqual([...found.value.offsets], [[wanted[1], 0x1000 + 16 * 50]]);
});

test('of several symbols with one name the lowest is given', () => {
  const twice = symbols.map((symbol, index) =>
    index === 300 || index === 900 ? { ...symbol, name: 'modules' } : symbol,
  );
  const found = findSymbols(build('B', twice, true), ['modules']);
  assert.ok(found.ok);
  assert.equal(found.value.offsets.get('modules'), 0x1000 + 16 * 300);
});

test('noise, alone or written into a table, is a problem or an answer, never an exception', () => {
  const good = build('B', symbols, true);
  holds(
    property(array(tuple(nat(good.bytes.length - 1), nat(255)), { maxLength: 40 }), (writes) => {
      const bytes = Buffer.from(new ArrayBuffer(good.bytes.length));
      good.bytes.copy(bytes);
      for (const [at, value] of writes) bytes[at] = value;
      const found = findSymbols({ ...good, bytes }, ['sys_call_1_init']);
      for (const offset of found.ok ? found.value.offsets.values() : []) assert.ok(offset >= 0 && offset < imageBytes);
    }),
    { numRuns: 60 },
  );
  const digitsOnly = image([
    Buffer.from('0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00'.repeat(60_000), 'latin1'),
  ]);
  assert.ok(!findSymbols(digitsOnly, ['x']).ok);
});
