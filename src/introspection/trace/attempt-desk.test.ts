// What becomes of attempts: the lines and counts, whatever is decided, fails or is seen twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AttemptDesk } from './attempt-desk.ts';
import type { Settled } from './attempt-desk.ts';
import type { Refusal, Sighting } from './hook.ts';
import type { TraceLine, Verdict } from './trace-event.ts';
import { TraceJournal } from './trace-journal.ts';

const clock = { now: () => 1_700_000_000_000, monotonic: () => 1_000 };

function desk(decide: () => Verdict) {
  const lines: TraceLine[] = [];
  const journal = new TraceJournal(clock, (line) => lines.push(line));
  return { lines, journal, desk: new AttemptDesk(decide, journal, () => {}) };
}

function attempt(refusal: Partial<Refusal>, more: Partial<Sighting> = {}): Sighting {
  const event = { kind: 'connect', pid: 7, argv: ['x'] } as unknown as Sighting['event'];
  return { key: 'connect 7', event, refusal: { block: () => true, kill: () => true, ...refusal }, ...more };
}

const said = (lines: readonly TraceLine[]): readonly string[] =>
  lines.map((line) => (line.kind === 'loss' ? 'loss' : `${line.kind} ${line.verdict}`));

const cases: readonly {
  readonly title: string;
  readonly verdict: Settled;
  readonly sighting: Sighting;
  readonly lines: readonly string[];
  readonly refused: number;
  readonly notRefused: number;
}[] = [
  { title: 'allowed', verdict: 'allow', sighting: attempt({}), lines: ['connect allow'], refused: 0, notRefused: 0 },
  { title: 'blocked', verdict: 'block', sighting: attempt({}), lines: ['connect block'], refused: 1, notRefused: 0 },
  { title: 'killed', verdict: 'kill', sighting: attempt({}), lines: ['connect kill'], refused: 1, notRefused: 0 },
  {
    title: 'that could not be blocked',
    verdict: 'block',
    sighting: attempt({ block: () => false }),
    lines: ['loss', 'connect allow'],
    refused: 0,
    notRefused: 1,
  },
  {
    title: 'whose refusal failed',
    verdict: 'kill',
    sighting: attempt({
      kill: () => {
        throw new Error('a bug');
      },
    }),
    lines: ['loss', 'connect allow'],
    refused: 0,
    notRefused: 1,
  },
  {
    title: 'allowed, of which an event follows',
    verdict: 'allow',
    sighting: attempt({}, { eventFollows: true }),
    lines: [],
    refused: 0,
    notRefused: 0,
  },
  {
    title: 'blocked, of which an event would have followed',
    verdict: 'block',
    sighting: attempt({}, { eventFollows: true }),
    lines: ['connect block'],
    refused: 1,
    notRefused: 0,
  },
];

for (const { title, verdict, sighting, lines: wanted, refused, notRefused } of cases) {
  test(`an attempt ${title}`, () => {
    const { desk: at, journal, lines } = desk(() => verdict);
    assert.equal(at.ask(sighting, true, 0), verdict);
    at.settle(sighting, verdict, true, 0);
    assert.deepEqual(said(lines), wanted);
    assert.deepEqual([journal.summary().refused, journal.summary().notRefused], [refused, notRefused]);
  });
}

test('an attempt that is seen again is acted upon again, as was answered then, and counted once', () => {
  let blocked = 0;
  let asked = 0;
  const {
    desk: at,
    journal,
    lines,
  } = desk(() => {
    asked += 1;
    return 'block';
  });
  const sighting = attempt({ block: () => (blocked += 1) > 0 });
  for (const isNew of [true, false, false]) {
    const verdict = at.ask(sighting, isNew, 0);
    assert.equal(verdict, 'block');
    at.settle(sighting, 'block', isNew, 0);
  }
  assert.deepEqual([asked, blocked, lines.length, journal.summary().refused], [1, 3, 1, 1]);
});

test('a decision that throws lets the attempt through, counted and told', () => {
  const {
    desk: at,
    journal,
    lines,
  } = desk(() => {
    throw new Error('no manifest');
  });
  assert.equal(at.ask(attempt({}), true, 0), 'allow');
  assert.deepEqual(said(lines), ['loss']);
  assert.equal(journal.summary().notRefused, 1);
});

test('lines are numbered without gaps, and carry the host’s time to the microsecond', () => {
  const { journal, lines } = desk(() => 'allow');
  journal.tell(attempt({}).event, 1_000.25, null);
  journal.lose(999.5, 1_002, 3, 'the reader was away');
  assert.deepEqual(
    lines.map(({ seq, ts }) => [seq, ts]),
    [
      [1, '2023-11-14T22:13:20.000250Z'],
      [2, '2023-11-14T22:13:20.002000Z'],
    ],
  );
  const [, loss] = lines;
  assert.equal(loss?.kind === 'loss' ? loss.from : null, '2023-11-14T22:13:19.999500Z');
  assert.deepEqual([journal.summary().lost, journal.summary().losses, journal.summary().counts.connect], [3, 1, 1]);
});
