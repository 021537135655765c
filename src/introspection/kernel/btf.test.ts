// Type descriptions written by the test as the kernel's compiler writes them, asked for offsets by path.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as holds, nat, property, array, tuple } from 'fast-check';
import { Btf, findBtf } from './btf.ts';

const kinds = { int: 1, pointer: 2, array: 3, struct: 4, union: 5, enumeration: 6, typedef: 8, constant: 10 } as const;

/** Writes a blob large enough to be believed: unused integers fill it up. */
class Writer {
  readonly #types: Buffer[] = [];
  #strings = Buffer.from('\0');
  #count = 0;

  add(
    kind: keyof typeof kinds,
    name: string,
    sizeOrType: number,
    tail: readonly number[] = [],
    members = 0,
    bitfields = false,
  ): number {
    const info = ((kinds[kind] << 24) | members | (bitfields ? 0x8000_0000 : 0)) >>> 0;
    const words = [this.#name(name), info, sizeOrType, ...tail];
    const bytes = Buffer.alloc(words.length * 4);
    words.forEach((word, index) => bytes.writeUInt32LE(word >>> 0, index * 4));
    this.#types.push(bytes);
    this.#count += 1;
    return this.#count;
  }

  struct(
    kind: 'struct' | 'union',
    name: string,
    size: number,
    members: readonly (readonly [string, number, number])[],
    bitfields = false,
  ): number {
    const tail = members.flatMap(([member, type, bits]) => [this.#name(member), type, bits]);
    return this.add(kind, name, size, tail, members.length, bitfields);
  }

  enumeration(name: string, values: readonly (readonly [string, number])[]): number {
    const tail = values.flatMap(([value, number]) => [this.#name(value), number]);
    return this.add('enumeration', name, 4, tail, values.length);
  }

  blob(): Buffer {
    while (Buffer.concat(this.#types).length < 110_000) for (let i = 0; i < 500; i += 1) this.add('int', '', 4, [32]);
    const types = Buffer.concat(this.#types);
    const header = Buffer.alloc(24);
    header.set([0x9f, 0xeb, 1, 0]);
    [24, 0, types.length, types.length, this.#strings.length].forEach((word, index) =>
      header.writeUInt32LE(word, 4 + 4 * index),
    );
    return Buffer.concat([header, types, this.#strings]);
  }

  #name(text: string): number {
    if (text === '') return 0;
    const at = this.#strings.length;
    this.#strings = Buffer.concat([this.#strings, Buffer.from(`${text}\0`)]);
    return at;
  }
}

function example(): Buffer {
  const writer = new Writer();
  const int = writer.add('int', 'int', 4, [32]);
  writer.add('enumeration', 'colour', 4, [0, 1, 0, 2], 2);
  const ports = writer.struct('struct', '', 8, [
    ['skc_dport', int, 0],
    ['skc_num', int, 32],
  ]);
  const choice = writer.struct('union', '', 8, [
    ['skc_portpair', int, 0],
    ['', ports, 0],
  ]);
  const common = writer.struct('struct', 'sock_common', 16, [
    ['skc_daddr', int, 0],
    ['', choice, 64],
  ]);
  const alias = writer.add('typedef', 'common_t', common);
  const constant = writer.add('constant', '', alias);
  writer.add('array', '', 0, [int, int, 4]);
  writer.struct('struct', 'sock', 64, [
    ['pad', int, 0],
    ['__sk_common', constant, 128],
  ]);
  writer.struct(
    'struct',
    'task_struct',
    32,
    [
      ['flags', int, 0],
      ['in_execve', int, (1 << 24) | 65],
      ['comm', int, 128],
    ],
    true,
  );
  return writer.blob();
}

const wanted = new Set(['sock', 'sock_common', 'task_struct']);

test('fields are found through unnamed members, typedefs and qualifiers', () => {
  const btf = new Btf(example(), wanted);
  const cases: readonly (readonly [string, number | null])[] = [
    ['sock_common.skc_daddr', 0],
    ['sock_common.skc_num', 96],
    ['sock.__sk_common.skc_num', 128 + 96],
    ['sock.__sk_common', 128],
    ['task_struct.comm', 128],
    ['task_struct.in_execve', 65],
    ['task_struct.none', null],
    ['sock.pad.deeper', null],
    ['colour.red', null],
    ['unknown.field', null],
  ];
  for (const [path, bits] of cases) assert.equal(btf.bitOffset(path), bits, path);
  assert.equal(btf.sizeOf('sock'), 64);
  assert.equal(btf.sizeOf('unknown'), null);
});

test('the blob is found among other bytes, false starts skipped', () => {
  const blob = example();
  const falseStart = Buffer.concat([Buffer.from([0x9f, 0xeb, 1, 0]), Buffer.alloc(60, 1)]);
  const found = findBtf(Buffer.concat([Buffer.alloc(1000, 7), falseStart, blob, Buffer.alloc(99)]));
  assert.deepEqual(found, blob);
  assert.equal(findBtf(blob.subarray(0, -1)), null);
  assert.equal(findBtf(Buffer.from([0x9f, 0xeb, 1, 0])), null);
});

test('types that contain themselves end', () => {
  const writer = new Writer();
  writer.add('int', 'int', 4, [32]);
  const self = 2;
  writer.struct(
    'struct',
    'sock',
    8,
    Array.from({ length: 40 }, () => ['', self, 0] as const),
  );
  writer.add('typedef', 'task_struct', 3);
  const btf = new Btf(writer.blob(), wanted);
  assert.equal(btf.bitOffset('sock.anything'), null);
});

test('noise written into a blob gives an answer or none, never an exception', () => {
  const good = example();
  holds(
    property(array(tuple(nat(2000), nat(255)), { maxLength: 60 }), (writes) => {
      const bytes = Buffer.from(good);
      for (const [at, value] of writes) bytes[24 + at] = value;
      const blob = findBtf(bytes);
      if (blob === null) return;
      const btf = new Btf(blob, wanted);
      for (const path of ['sock.__sk_common.skc_num', 'task_struct.in_execve', 'sock_common.skc_dport'])
        btf.bitOffset(path);
    }),
    { numRuns: 200 },
  );
});

test('an enumerator that names a bit gives its number; a structure of the same name comes first', () => {
  const writer = new Writer();
  writer.enumeration('flags', [
    ['first', 0],
    ['third', 2],
    ['negative', -1],
  ]);
  writer.enumeration('both', [['field', 7]]);
  writer.struct('struct', 'both', 8, [['field', writer.add('int', 'int', 4, [32]), 16]]);
  const btf = new Btf(writer.blob(), new Set(['flags', 'both']));
  assert.equal(btf.bitOffset('flags.third'), 2);
  assert.equal(btf.bitOffset('flags.first'), 0);
  assert.equal(btf.bitOffset('flags.negative'), null);
  assert.equal(btf.bitOffset('flags.fourth'), null);
  assert.equal(btf.bitOffset('both.field'), 16);
});
