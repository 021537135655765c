// Lines known again without being parsed: they must say exactly what parsing says, whatever is written, and be alike only when they are.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { counted } from '../../../lab/scale.ts';
import { EventDecoder, type EventLine } from './event-decoder.ts';
import { LineMemory } from './line-memory.ts';

type Line = EventLine<string>;

/** So small that lines get in each other's way. */
function smallDecoder(): EventDecoder<string> {
  return new EventDecoder('x', new LineMemory(16));
}

function decode(lines: readonly string[], decoder = smallDecoder()): Line[] {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
  return [...decoder.decode(bytes), ...decoder.end()];
}

const started =
  '{"ts":"2026-11-21T10:00:00.123Z","host":"web1","kind":"process_start","pid":4711,"ppid":815,"exe":"/bin/a","cmdline":"a -b"}';
const called =
  '{"ts":"2026-11-21T10:00:00Z","host":"web1","kind":"net_connect","pid":7,"proto":"tcp","localPort":45678,"remoteAddr":"10.0.0.9","remotePort":443}';

/** How many of the lines, after two of the first, are known to be like it. */
function likesOf(line: string, others: readonly string[]): number {
  const [, first, ...rest] = decode([line, line, ...others]);
  assert.ok(first !== undefined && first.like !== null, `${line} is not remembered`);
  return rest.filter(({ like }) => like === first.like).length;
}

const alike: readonly (readonly [string, string])[] = [
  [started, started.replace('10:00:00.123', '23:59:59.999').replace('4711', '12345678').replace('815', '2')],
  [started.replace(/":/g, '": '), started.replace(/":/g, '": ').replace('4711', '5')],
  [called, called.replace('45678', '32768').replace('"pid":7', '"pid":77')],
  [
    called.replaceAll('net_connect', 'net_accept').replace('443', '50123').replace('45678', '80'),
    called.replaceAll('net_connect', 'net_accept').replace('443', '33333').replace('45678', '80'),
  ],
];

test('lines that differ in time, pids and a drawn port are alike', () => {
  for (const [line, other] of alike) assert.equal(likesOf(line, [other, other]), 2, other);
});

const unlike: readonly (readonly [string, string])[] = [
  [started, started.replace('a -b', 'a -c')],
  [started, started.replace('"ppid":815', '"ppid":1')],
  [started, started.replace('"pid":4711', '"pid":4711.5')],
  [started, started.replace('"pid":4711', '"pid":-4711')],
  [started, started.replace('"pid":4711', '"pid":04711')],
  [started, started.replace('"pid":4711', '"pid":"4711"')],
  [started, started.replace('"pid":4711', '"pid":null')],
  [started, started.replace('"pid":4711', '"pid":4711e2')],
  [started, started.replace('"pid":4711', '"pid":47111111111111')],
  [started, started.replace('.123Z', '.123')],
  [started, started.replace('2026-11-21T', '2026-11-21 ')],
  [started, started.replace('}', ',"pid":5}')],
  [started, started.slice(0, -1)],
  [started, `${started}x`],
  [called, called.replace('443', '444')],
  [called, called.replace('45678', '1023')],
  [called, called.replace('45678', '456780')],
  [called, called.replace('"tcp"', '"udp"')],
];

test('lines that differ in anything else are not', () => {
  for (const [line, other] of unlike) assert.equal(likesOf(line, [other, other, other]), 0, other);
});

const unremembered = [
  started.replace('"2026-11-21T10:00:00.123Z"', '"yesterday"'),
  called.replace('"tcp"', '"udp"'),
  called.replace('net_connect', 'net_listen'),
  '{"host":"web1","kind":"loss","ts":"2026-11-21T10:00:00Z"}',
  '{"host":"web1"}',
  'no JSON',
  `${started.slice(0, -1)},"reason":"${'x'.repeat(3000)}"}`,
];

test('what cannot be used, a loss, a port that tells and a long line are parsed each time', () => {
  for (const line of unremembered)
    assert.deepEqual(
      decode([line, line, line, line]).map(({ like }) => like),
      [null, null, null, null],
      line,
    );
});

const marks = [
  '{',
  '}',
  ':',
  ',',
  ' ',
  '"',
  '\\"',
  '\\',
  '[',
  ']',
  'null',
  '1',
  '40000',
  '-5',
  '1.5',
  '00',
  'ü',
  '\u0007',
];
const names = ['"pid"', '"ppid":', '"ts":', '"localPort":', '"remotePort":', '"x\\"pid":', '\\u0070id', '{"pid":7}'];
const facts = ['"kind":"net_connect"', '"kind":"process_start"', '"proto":"tcp"', '"host":"a"', '"exe":"/b"'];
const token = fc.constantFrom(...marks, ...names, ...facts, '"2026-11-21T10:00:00Z"');
const text = fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join(''));
const value = fc.oneof(
  fc.integer({ min: -2, max: 70_000 }),
  fc.constantFrom(1, 40_000, 40_001, null, 'x', '2026-11-21T10:00:00Z', '2026-11-22T11:11:11Z', '"', 'ü\\"pid":5'),
  fc.constant({ pid: 5, localPort: 40_000 }),
);
const field = fc.constantFrom(
  'ts',
  'pid',
  'ppid',
  'localPort',
  'remotePort',
  'exe',
  'cmdline',
  'user',
  'x"pid',
  'proto',
  'tgid',
  'seq',
);
const object = fc
  .record({
    kind: fc.constantFrom('process_start', 'net_connect', 'net_accept', 'net_listen', 'exec', 'loss', 'process_exit'),
    fields: fc.array(fc.tuple(field, value), { maxLength: 6 }),
    proto: fc.constantFrom('tcp', 'udp'),
    space: fc.constantFrom('', ' '),
  })
  .map(({ kind, fields, proto, space }) => {
    const pairs = [['host', 'a'], ['kind', kind], ['proto', proto], ...fields];
    // Written by hand, so that a name may come twice.
    return `{${pairs.map(([name, given]) => `${JSON.stringify(name)}:${space}${JSON.stringify(given)}`).join(`,${space}`)}}`;
  });

/** The line anew, as another occurrence might write it. */
function again(line: string, salt: number): string {
  return line.replace(
    /(pid":\s?|Port":\s?|ts":\s?"[\d-]+T)(\d+)/g,
    (_, name: string, digits: string) =>
      `${name}${String((Number(digits) + salt) % 60_000).padStart(digits.length, '4')}`,
  );
}

function plainly(line: string): readonly unknown[] {
  return decode([line]).map(({ result, unusable }) => [result, unusable]);
}

test('a line says the same, known again or parsed, and lines alike say the same but for what may differ', () => {
  let known = 0;
  fc.assert(
    fc.property(fc.array(fc.oneof(object, text), { maxLength: 5 }), fc.nat(50), (written, salt) => {
      const lines = written
        .flatMap((line) => [line, again(line, salt), line, again(line, 2 * salt)])
        .map((line) => line.replaceAll('\n', ''));
      const decoder = smallDecoder();
      for (const line of lines) {
        const read = decode([line], decoder);
        const rest = read.map(({ result, unusable, line: at }) => [
          JSON.parse(JSON.stringify(result).replaceAll(`x:${at}`, 'x:1')),
          unusable,
        ]);
        assert.deepEqual(rest, JSON.parse(JSON.stringify(plainly(line))), line);
        for (const { like, result } of read) {
          if (like === null) continue;
          assert.ok(result.ok);
          known += 1;
          const { ts: _ts, pid: _pid, ppid, localPort, remotePort, ...same } = result.value;
          const { kind, proto } = same;
          const ports = [
            kind === 'net_connect' && proto === 'tcp' ? null : localPort,
            kind === 'net_accept' && proto === 'tcp' ? null : remotePort,
          ];
          const note = JSON.stringify([same, ppid === 1, ports]);
          assert.equal(like.note ?? note, note, line);
          like.note = note;
        }
      }
    }),
    { numRuns: counted(1000, 50_000) },
  );
  assert.ok(known > 100, `${known} lines were known again`);
});

test('more lines than can be remembered are read all the same', () => {
  const decoder = new EventDecoder<string>('x');
  let read = 0;
  for (let round = 0; round < 2; round += 1)
    for (let at = 0; at < 40_000; at += 1) {
      const line = started.replace('a -b', `a ${at}`);
      for (const { result } of decode([line, line], decoder)) read += result.ok ? 1 : 0;
    }
  assert.equal(read, 160_000);
  assert.ok(decoder.forgotten > 0);
});
