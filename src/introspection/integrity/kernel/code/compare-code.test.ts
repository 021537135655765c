// What explains a difference in code and what does not, kind by kind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodeOwners } from '../modules/code-owners.ts';
import { marginBytes, unexplainedChanges } from './compare-code.ts';
import { PatchSites } from './patch-sites.ts';
import type { PatchSite, SiteContext } from './patch-sites.ts';

const start = 0x1000;
const tracer = 0x500;
const keyed = 0x700;
const foreign = 0x90_0000;
const returnThunk = 0x600;
const probed = 0x1030;
const slot = 0x8000;
const code = Buffer.alloc(64, 0x55);

const owners = new CodeOwners([
  { kind: 'kernel', start: 0, end: 0x4000, name: 'kernel' },
  { kind: 'probe', start: slot, end: slot + 4096, name: 'kprobe page' },
]);
const context: SiteContext = {
  keyed: (key) => (key === 0x2000 ? keyed : null),
  isTracer: (offset) => offset === tracer,
  isCode: (offset) => owners.of(offset) !== null,
  isReturn: (offset) => offset === returnThunk,
  isProbed: (offset) => offset === probed,
};
const sites: readonly PatchSite[] = [
  { kind: 'ftrace', offset: 0x1000, target: 0 },
  { kind: 'jump-label', offset: 0x1010, target: 0x1038 },
  { kind: 'static-call', offset: 0x1020, target: 0x2000 },
  { kind: 'ftrace-entry', offset: 0x1028, target: 0 },
];

/** `e8 rel32` or `e9 rel32` that leads from `from` to `to`. */
function branch(opcode: number, from: number, to: number): string {
  const bytes = Buffer.from([opcode, 0, 0, 0, 0]);
  bytes.writeInt32LE(to - from - 5, 1);
  return bytes.toString('hex');
}

/** `[changes told]` after `hex` was written at `at`. */
function changed(at: number, hex: string): readonly string[] {
  const was = Buffer.from(code);
  const is = Buffer.concat([Buffer.alloc(marginBytes), was, Buffer.alloc(marginBytes)]);
  Buffer.from(hex, 'hex').copy(is, at - start + marginBytes);
  return unexplainedChanges({ offset: start, was, is }, { sites: new PatchSites(sites), context, owners }).map(
    ({ offset, site }) => `${offset.toString(16)} ${site?.kind ?? 'no site'}`,
  );
}

const allowed: readonly (readonly [string, number, string])[] = [
  ['a function that can be traced and is not', 0x1000, '0f1f440000'],
  ['a function that is traced', 0x1000, branch(0xe8, 0x1000, tracer)],
  ['a jump label switched off', 0x1010, '0f1f440000'],
  ['a short jump label switched off', 0x1010, '6690'],
  ['a jump label switched on', 0x1010, branch(0xe9, 0x1010, 0x1038)],
  ['a short jump label switched on', 0x1010, 'eb26'],
  ['a static call of what its key names', 0x1020, branch(0xe8, 0x1020, keyed)],
  ['a static tail call of what its key names', 0x1020, branch(0xe9, 0x1020, keyed)],
  ['a static call of nothing', 0x1020, '0f1f440000'],
  ['a static call of a function that returns 0', 0x1020, '2e2e2e31c0'],
  ['a static tail call of nothing', 0x1020, 'c3cccccccc'],
  ['a static tail call of nothing, by the return thunk', 0x1020, branch(0xe9, 0x1020, returnThunk)],
  ['a tracer’s own call', 0x1028, branch(0xe8, 0x1028, 0x300)],
  ['a probe', probed, 'cc'],
  ['a probe that jumps out of line', probed, branch(0xe9, probed, slot + 0x40)],
];

test('what the kernel does to itself is explained', () => {
  for (const [says, at, hex] of allowed) assert.deepEqual(changed(at, hex), [], says);
});

const told: readonly (readonly [string, number, string, string])[] = [
  ['a byte anywhere else', 0x1018, '90', '1018 no site'],
  ['a traced function that calls what is no tracer', 0x1000, branch(0xe8, 0x1000, keyed), '1000 ftrace'],
  ['a traced function that jumps', 0x1000, branch(0xe9, 0x1000, tracer), '1000 ftrace'],
  ['a jump label that leads elsewhere', 0x1010, branch(0xe9, 0x1010, 0x1030), '1010 jump-label'],
  ['a jump label that calls', 0x1010, branch(0xe8, 0x1010, 0x1038), '1010 jump-label'],
  ['a static call of another function', 0x1020, branch(0xe8, 0x1020, 0x300), '1020 static-call'],
  ['a static call of foreign code', 0x1020, branch(0xe8, 0x1020, foreign), '1020 static-call'],
  ['a tracer that calls foreign code', 0x1028, branch(0xe8, 0x1028, foreign), '1028 ftrace-entry'],
  ['a trap where no probe is', 0x1018, 'cc', '1018 no site'],
  ['a probe that jumps into foreign code', probed, branch(0xe9, probed, foreign), '1030 no site'],
];

test('whatever else is done to code is told, with where it hides', () => {
  for (const [says, at, hex, expected] of told) assert.deepEqual(changed(at, hex)[0], expected, says);
});

test('a lock prefix may come and go with the second processor', () => {
  const was = Buffer.from([0xf0, 0x55, 0x3e, 0x55]);
  const is = Buffer.concat([
    Buffer.alloc(marginBytes),
    Buffer.from([0x3e, 0x55, 0xf0, 0x55]),
    Buffer.alloc(marginBytes),
  ]);
  const rules = { sites: new PatchSites([]), context, owners };
  assert.deepEqual(unexplainedChanges({ offset: start, was, is }, rules), []);
});

test('what is told of wholly different code is bounded', () => {
  const was = Buffer.alloc(64 * 1024, 0x55);
  const is = Buffer.alloc(was.length + 2 * marginBytes, 0xaa);
  const changes = unexplainedChanges({ offset: start, was, is }, { sites: new PatchSites([]), context, owners });
  assert.equal(changes.length, 256);
  assert.ok(changes.every(({ is: now }) => now.length <= 64));
});
