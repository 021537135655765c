// An alarm belongs to an attack only by what the attack itself did, where and when it did it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Activity } from '../../src/model/observation.ts';
import { isBehind, type AttackWindow } from './alarm-ownership.ts';

const at = '2026-11-21T10:00:05.000Z';
const window: AttackWindow = {
  vm: 'web',
  fromMs: Date.parse('2026-11-21T10:00:00.000Z'),
  untilMs: Date.parse('2026-11-21T10:00:10.000Z'),
  touched: {
    tier: 'web',
    executables: ['/tmp/x'],
    argumentPieces: ['http://evil'],
    listeningPorts: [31_337],
    peers: [{ address: '10.77.0.1', port: 4444 }],
  },
  pids: [77],
};

function started(part: { exe?: string; argv?: string[]; pid?: number; ppid?: number; at?: string }): Activity {
  const image = { exe: part.exe ?? '/usr/bin/date', deleted: false, argv: part.argv ?? ['date'], uid: 0, euid: 0 };
  return {
    kind: 'process',
    vm: 'web',
    at: part.at ?? at,
    evidence: 'outside',
    pid: part.pid ?? 1,
    ppid: part.ppid ?? 1,
    image,
    parent: null,
    ancestors: [],
  };
}

function reached(remoteAddr: string, remotePort: number): Activity {
  return {
    kind: 'outbound',
    vm: 'web',
    at,
    evidence: 'outside',
    pid: 1,
    image: null,
    proto: 'tcp',
    localAddr: '10.77.0.11',
    localPort: 40_000,
    remoteAddr,
    remotePort,
  };
}

const cases: readonly (readonly [string, Activity, boolean])[] = [
  ['its executable', started({ exe: '/tmp/x' }), true],
  ['a piece of its arguments', started({ argv: ['wget', 'http://evil/a'] }), true],
  ['its own pid', started({ pid: 77 }), true],
  ['a child of it', started({ ppid: 77 }), true],
  ['its peer', reached('10.77.0.1', 4444), true],
  ['another port of its peer', reached('10.77.0.1', 53), false],
  ['another program', started({}), false],
  ['its executable, long after', started({ exe: '/tmp/x', at: '2026-11-21T11:00:00.000Z' }), false],
];

test('an alarm is an attack’s only by what the attack did', () => {
  for (const [title, activity, expected] of cases) assert.equal(isBehind(window, 'web', [activity]), expected, title);
  assert.equal(isBehind(window, 'db', [started({ exe: '/tmp/x' })]), false, 'on another machine');
});
