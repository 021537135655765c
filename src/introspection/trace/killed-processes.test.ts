// The end of what was killed is told when it is seen, and once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endKey, KilledProcesses } from './killed-processes.ts';
import type { Actor } from './process-facts.ts';
import { SightingLedger } from './sighting-ledger.ts';

function actor(process: string): Actor {
  return { process, task: 1, leader: 1, facts: { pid: 7, comm: 'x' } as Actor['facts'] };
}

function killedOnes() {
  const living = new Set(['a', 'b']);
  const ledger = new SightingLedger();
  const told: string[] = [];
  const killed = new KilledProcesses({
    pages: { begin: () => {} },
    processes: { lives: ({ process }) => living.has(process) },
    looker: ledger,
    journal: { tell: ({ kind, comm }, atMs) => told.push(`${kind} ${comm} ${atMs}`) },
  });
  return { killed, living, ledger, told };
}

test('an end is told when it is seen, once', () => {
  const { killed, living, told } = killedOnes();
  killed.add(actor('a'));
  killed.add(actor('a'));
  killed.look(1);
  assert.deepEqual(told, []);
  living.delete('a');
  killed.look(2);
  killed.look(3);
  assert.deepEqual(told, ['exit x 2']);
});

test('an end that a stop has told, or of another past, is not told', () => {
  const { killed, living, ledger, told } = killedOnes();
  killed.add(actor('a'));
  killed.add(actor('b'));
  assert.ok(ledger.isFirst(endKey('a')));
  living.clear();
  killed.forget();
  killed.add(actor('a'));
  killed.look(1);
  assert.deepEqual(told, []);
});

test('of too many, the oldest are given up', () => {
  const { killed, told } = killedOnes();
  for (let number = 0; number < 3_000; number += 1) killed.add(actor(`gone ${number}`));
  killed.look(1);
  assert.equal(told.length, 1_024);
});
