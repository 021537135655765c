// What comes up again is what was up before the cut, whoever was ended in between and however often it was cut.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import { silentLog } from '../../kit/log.ts';
import type { CardLink } from '../../connectors/enforcement/card-links.ts';
import type { Enforcer } from '../../connectors/enforcement/enforcer.ts';
import { verifiedEnforcer } from '../../connectors/enforcement/verified-action.ts';
import type { Step } from '../../model/remediation.ts';
import { openDatabase } from '../database.ts';
import { LinkDesk } from './link-desk.ts';
import { LinkMemory } from './link-memory.ts';

const vm = 'name:web';
const directory = mkdtempSync(join(tmpdir(), 'plumbline-links-'));
const opened = openDatabase(join(directory, 'sentinel.db'));
assert.ok(opened.ok);
const memory = new LinkMemory(opened.value);
after(() => {
  opened.value.close();
  rmSync(directory, { recursive: true, force: true });
});

let nowMs = 0;
const clock = { now: () => nowMs, monotonic: () => nowMs };
let links: Record<string, CardLink['link']> = {};
let obeys = true;
let isHere = true;
let told: string[] = [];

/** A VM whose cards do as they are told, or say so and do not. */
function enforcer(): Enforcer {
  const done = async () => ok(undefined);
  return verifiedEnforcer(
    {
      suspend: done,
      resume: done,
      snapshot: done,
      powerOff: done,
      readState: async () => ok({ run: 'running', words: 'running', snapshots: [] }),
      snapshotObstacle: async () => null,
      links: {
        read: async () => ok(Object.entries(links).map(([name, link]) => ({ name, model: 'virtio', mac: '', link }))),
        set: async (cards, link) => {
          if (obeys) for (const { name } of cards) links[name] = link;
          return ok(undefined);
        },
        lasting: async () => null,
      },
    },
    { clock, sleep: async (ms) => void (nowMs += ms) },
  );
}

function desk(): LinkDesk {
  return new LinkDesk({
    memory,
    clock,
    log: silentLog,
    guard: ({ detail }) => told.push(detail),
    enforcer: async () => (isHere ? ok(enforcer()) : fail(problem('not-found', 'It does not run here.'))),
  });
}

const step = (action: Step['action'], id = action): Step => ({ id, vm, action, why: 'w', expect: 'links', undo: null });

beforeEach(() => {
  links = { a: 'up', b: 'down', c: 'up' };
  [obeys, isHere, told] = [true, true, []];
  memory.remove(vm);
});

test('a card that was unplugged before stays so', async () => {
  assert.equal((await desk().act(step('cut-link')))?.state, 'done');
  assert.deepEqual(links, { a: 'down', b: 'down', c: 'down' });
  assert.equal((await desk().act(step('cut-link', 'again' as 'cut-link')))?.state, 'done');
  assert.equal((await desk().act(step('restore-link')))?.state, 'done');
  assert.deepEqual(links, { a: 'up', b: 'down', c: 'up' });
});

test('links that come up, also of a card that is plugged in later, go down again, until that is taken back', async () => {
  await desk().act(step('cut-link'));
  links = { a: 'up', b: 'down', c: 'down', d: 'up' };
  const next = desk();
  await next.reconcile(new Set(['name:other']));
  assert.equal(links['a'], 'up');
  await next.reconcile(new Set([vm]));
  assert.deepEqual([links, next.cutAgain], [{ a: 'down', b: 'down', c: 'down', d: 'down' }, 1]);
  await next.reconcile(new Set([vm]));
  assert.equal(next.cutAgain, 1);
  await next.act(step('restore-link'));
  await next.reconcile(new Set([vm]));
  assert.deepEqual(links, { a: 'up', b: 'down', c: 'up', d: 'up' });
});

test('what is accepted and not done is unconfirmed, is tried again, and is told once in a while', async () => {
  obeys = false;
  const stubborn = desk();
  assert.equal((await stubborn.act(step('cut-link')))?.state, 'unconfirmed');
  await stubborn.reconcile(new Set([vm]));
  await stubborn.reconcile(new Set([vm]));
  assert.match(told.join('|'), /^the links of its cards are to be down and are not: links was not seen[^|]*$/);
  obeys = true;
  assert.equal(await stubborn.started(vm), true);
  assert.equal(links['a'], 'down');
});

test('a VM that is not here is not cut, and is asked again when it begins', async () => {
  isHere = false;
  assert.equal((await desk().act(step('cut-link')))?.state, 'failed');
  assert.equal(await desk().started(vm), true, 'nothing is wanted of it');
  isHere = true;
  await desk().act(step('cut-link'));
  isHere = false;
  assert.equal(await desk().started(vm), false);
  assert.equal(await desk().act(step('suspend')), null);
});
