// What is read from the guest kernel's machine code: real instructions of the supported kernels, and bytes that are none.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assert as holds, nat, property, uint8Array } from 'fast-check';
import { failsWith } from './failing-function.ts';
import { pendingBit } from './forced-kill.ts';
import { loadAt } from './load-instruction.ts';
import type { Load } from './load-instruction.ts';

const bytes = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const anyBytes = uint8Array({ maxLength: 64 });

describe('a load of a pointer', () => {
  const loads: readonly (readonly [string, Load])[] = [
    ['48 8b 40 10', { destination: 'rax', base: 'rax', displacement: 0x10, sizeBytes: 4 }],
    ['49 8b 44 24 10', { destination: 'rax', base: 'r12', displacement: 0x10, sizeBytes: 5 }],
    ['48 8b 34 24', { destination: 'rsi', base: 'rsp', displacement: 0, sizeBytes: 4 }],
    ['4d 8b 6d 00', { destination: 'r13', base: 'r13', displacement: 0, sizeBytes: 4 }],
    ['4c 8b 40 f8', { destination: 'r8', base: 'rax', displacement: -8, sizeBytes: 4 }],
    ['48 8b 80 08 01 00 00', { destination: 'rax', base: 'rax', displacement: 0x108, sizeBytes: 7 }],
    ['4c 8b 2d 87 5e a2 01', { destination: 'r13', base: null, displacement: 0x1a25e87, sizeBytes: 7 }],
    ['4d 8b 3f', { destination: 'r15', base: 'r15', displacement: 0, sizeBytes: 3 }],
  ];
  for (const [code, load] of loads) {
    test(code, () => assert.deepEqual(loadAt(bytes(code), 0), load));
  }

  const others = {
    '8b 40 10': 'of 32 bits only',
    '48 89 40 10': 'a store',
    '48 8b c0': 'from a register',
    '48 8b 04 c8': 'with an index',
    '48 8b 80 08 01': 'cut off',
    '65 48 8b 00': 'from the CPU’s own data',
    '': 'nothing',
  };
  for (const [code, why] of Object.entries(others)) {
    test(`is not one ${why}`, () => assert.equal(loadAt(bytes(code), 0), null));
  }

  test('is never found beyond the bytes, whatever they are', () => {
    holds(
      property(anyBytes, nat(80), (code, at) => {
        const load = loadAt(code, at);
        assert.ok(load === null || at + load.sizeBytes <= code.length);
      }),
    );
  });
});

describe('a function that only fails', () => {
  const functions: readonly (readonly [string, string, number | null])[] = [
    ['to 6.1', '0f1f440000 b8ffffffff e931f5a700', 1],
    ['on an AMD processor before 5.13', '6666666690 b8ffffffff e931f5a700', 1],
    ['from 6.12 on', 'f30f1efa 0f1f440000 b8a1ffffff e90dad2a00', 95],
    ['with a return of its own', 'b8f3ffffff c3 90909090', 13],
    ['that is being traced', 'e8eb15d6ff b8ffffffff e931f5a700', null],
    ['that succeeds', '0f1f440000 b800000000 e931f5a700', null],
    ['that returns no error', '0f1f440000 b801000080 e931f5a700', null],
    ['that does something first', '0f1f440000 55 b8ffffffff c3 9090', null],
    ['that goes on', '0f1f440000 b8ffffffff 48 89 c7 90', null],
    ['that is cut off', 'b8ffff', null],
  ];
  for (const [name, code, errno] of functions) {
    test(name, () => assert.equal(failsWith(bytes(code)), errno));
  }

  test('is told from any other bytes without a fault', () => {
    holds(
      property(anyBytes, (code) => {
        const errno = failsWith(code);
        assert.ok(errno === null || (errno > 0 && errno <= 4095));
      }),
    );
  });
});

describe('the bit that says that a signal waits', () => {
  const codes: readonly (readonly [string, string, ReturnType<typeof pendingBit>])[] = [
    ['5.10', '0f1f440000 55 4889fd f0800f04 83ce01', { byte: 0, mask: 4 }],
    ['one processor', '0f1f440000 53 4889fb 3e800f04 83ce01', { byte: 0, mask: 4 }],
    ['7.3', 'f30f1efa 0f1f440000 53 4889fb f0800f02 83ce01', { byte: 0, mask: 2 }],
    ['flags further in', '4889fb f0804f0104 83ce01 9090', { byte: 1, mask: 4 }],
    ['several bits at once', 'f0800f06 83ce01 9090', null],
    ['clearing instead of setting', 'f08027fb 83ce01 9090', null],
    ['nothing of the kind', '554889fd83ce01e88b7a02', null],
  ];
  for (const [name, code, bit] of codes) test(name, () => assert.deepEqual(pendingBit(bytes(code)), bit));

  test('is one bit or none', () => {
    holds(
      property(anyBytes, (code) => {
        const bit = pendingBit(code);
        assert.ok(bit === null || (Number.isInteger(Math.log2(bit.mask)) && bit.byte < 8));
      }),
    );
  });
});
