// The text of `info registers -a` in the states a processor can be met in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRegisters } from './cpu-registers.ts';

const kernel = `
CPU#0
RAX=000000000001ad40 RBX=0000000000000000 RCX=0000000000000000 RDX=4000000000000000
RIP=ffffffffa2017a0b RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1
IDT=     fffffe0000000000 00000fff
CR0=80050033 CR2=00000000005794a9 CR3=00000000027b0000 CR4=000006b0
EFER=0000000000000d01

CPU#1
RIP=0000000000401234 RFL=00000246 [---Z-P-] CPL=3 II=0 A20=1 SMM=0 HLT=0
IDT=     fffffe0000000000 00000fff
CR0=80050033 CR2=00000000005794a9 CR3=0000000162a75002 CR4=00751eb0
EFER=0000000000000d01
`;

const firmware = `
CPU#0
EAX=00000000 EBX=00000000 ECX=00000000 EDX=00000663
EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0
IDT=     00000000 0000ffff
CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000
EFER=0000000000000000
`;

test('every processor of a running kernel', () => {
  assert.deepEqual(parseRegisters(kernel), [
    { cr3: 0x27b0000, cr4: 0x6b0, longMode: true, interruptTable: { high: 0xfffffe00, low: 0 } },
    { cr3: 0x1_62a7_5002, cr4: 0x751eb0, longMode: true, interruptTable: { high: 0xfffffe00, low: 0 } },
  ]);
});

test('a processor in its firmware is not in long mode', () => {
  assert.deepEqual(parseRegisters(firmware), [
    { cr3: 0, cr4: 0, longMode: false, interruptTable: { high: 0, low: 0 } },
  ]);
});

test('text that is something else holds no processors', () => {
  for (const text of ['', 'unknown command', 'CPU#0\nX0=0 X1=0 PSTATE=3']) assert.deepEqual(parseRegisters(text), []);
});
