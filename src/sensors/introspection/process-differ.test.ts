// A fork is told from its parent by one flag; a torn look may miss the flag, and must not make up a program of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedGuest } from '../../sim/simulated-guest.ts';
import { ProcessDiffer } from './process-differ.ts';

const server = { exe: '/usr/sbin/httpd', argv: ['httpd', '-D'], uid: 33 };
const script = { exe: '/bin/sh', argv: ['sh', 'script'], uid: 33 };

interface Scene {
  readonly guest: SimulatedGuest;
  readonly parent: number;
  readonly look: (afterMs: number) => string[];
}

function scene(): Scene {
  let nowMs = Date.parse('2026-01-01T00:00:00Z');
  const guest = new SimulatedGuest('web', 'vm', 100, () => nowMs);
  const differ = new ProcessDiffer({ host: 'vm', tableMax: 1000 });
  const parent = guest.spawn(server);
  const look = (afterMs: number): string[] => {
    nowMs += afterMs;
    return differ
      .next(guest.sweep())
      .events.filter(({ kind }) => kind === 'process_start')
      .map(({ exe }) => exe ?? '?');
  };
  look(0);
  return { guest, parent, look };
}

test('what looks like its parent for a moment and then is another program was caught in its exec', () => {
  const { guest, parent, look } = scene();
  const child = guest.fork(parent);
  guest.exec(child, server);
  assert.deepEqual(look(5), []);
  guest.exec(child, script);
  assert.deepEqual(look(5), ['/bin/sh']);
});

test('a program that starts itself is reported a moment later', () => {
  const { guest, parent, look } = scene();
  guest.exec(guest.fork(parent), server);
  assert.deepEqual(look(5), []);
  assert.deepEqual(look(200), ['/usr/sbin/httpd']);
});
