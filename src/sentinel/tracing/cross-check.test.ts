// What a trace told and a sweep saw: once together, and what only the sweep saw is a miss unless nobody could have told of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawEvent } from '../../model/raw-event.ts';
import { CrossCheck } from './cross-check.ts';

const later = 10_000;
const started = (rest: Partial<RawEvent> = {}): RawEvent => ({
  host: 'vm',
  kind: 'process_start',
  pid: 7,
  exe: '/bin/x',
  argv: ['x'],
  uid: 0,
  euid: 0,
  ...rest,
});
const connected = (rest: Partial<RawEvent> = {}): RawEvent => ({
  host: 'vm',
  kind: 'net_connect',
  proto: 'tcp',
  exe: '/bin/x',
  localPort: 40_000,
  remoteAddr: '10.0.0.2',
  remotePort: 443,
  ...rest,
});

/** A check whose first look is behind it: what was there before the trace is nobody's miss. */
function running(): CrossCheck {
  const check = new CrossCheck();
  assert.deepEqual(check.swept([], 0), { events: [], missed: 0 });
  return check;
}

test('what the trace told, before the sweep or shortly after it, is not told again', () => {
  const check = running();
  check.heard([started(), connected({ localPort: 0 })]);
  assert.deepEqual(check.swept([started(), connected()], 0), { events: [], missed: 0 });
  assert.deepEqual(check.swept([started({ pid: 8 })], 100), { events: [], missed: 0 });
  check.heard([started({ pid: 8 })]);
  assert.deepEqual(check.swept([], later), { events: [], missed: 0 });
});

test('what the trace did not tell is passed on after a while, and missed', () => {
  const check = running();
  const both = [started(), connected()];
  assert.deepEqual(check.swept(both, 0).events, []);
  assert.deepEqual(check.swept([], later), { events: both, missed: 2 });
});

test('what no trace tells of is passed on and is no miss', () => {
  const check = running();
  check.heard([started()]);
  const untraced = [
    started({ uid: 33, euid: 33 }),
    started({ pid: 9, alreadyRunning: true }),
    connected({ kind: 'net_accept' }),
    connected({ proto: 'udp' }),
  ];
  check.swept(untraced, 0);
  assert.deepEqual(check.swept([], later), { events: untraced, missed: 0 });
});

test('a socket whose owner the sweep does not know any more is the one the trace told of', () => {
  const check = running();
  check.heard([connected({ remoteAddr: '::ffff:10.0.0.2' })]);
  const { exe: _, ...orphan } = connected();
  check.swept([orphan], 0);
  assert.deepEqual(check.swept([], later), { events: [], missed: 0 });
});

test('what was there before the trace, and what is stated anew, passes without a miss', () => {
  const check = new CrossCheck();
  check.swept([started()], 0);
  assert.deepEqual(check.swept([], later), { events: [started()], missed: 0 });
  check.heard([started()]);
  check.restate();
  assert.deepEqual(check.swept([started()], later), { events: [started()], missed: 0 });
  check.swept([started({ pid: 10 })], later);
  assert.equal(check.flush().length, 1, 'and what waits is not lost when the trace ends');
});
