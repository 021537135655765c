// The manager dies at every point of a plan that calls: the receiver, a real one that remembers ids, does each thing once, and the
// next manager brings the plan to its end.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Died, type Fate, type PlanTrial, startPlanTrial, steppedClock } from '../../../lab/plan-trial.ts';
import { counted, seed } from '../../../lab/scale.ts';
import { ok } from '../../kit/result.ts';
import { at, runningVm, vmId } from '../../sim/simulated-activity.ts';
import { Random } from '../../sim/random.ts';
import { SimulatedEstate } from '../../sim/simulated-estate.ts';
import { planOf } from '../../sim/simulated-plan.ts';
import { callStep } from '../../stages/respond/steps.ts';
import { saveVm } from '../store/vms.ts';
import { must } from '../trial.ts';
import { type CallBook, makeCallBook } from './call-book.ts';

const t0 = Date.parse(at(0));
const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'plumbline-call-crash-'));
const template = join(root, 'template');
let asked: string[] = [];
let done = new Map<string, string>();
const server = createServer((request, response) => {
  request.resume();
  const id = String(request.headers['idempotency-key']);
  const what = `${request.method} ${request.url}`;
  asked.push(what);
  const known = done.get(id);
  assert.ok(known === undefined || known === what, 'one id for two things');
  done.set(id, what);
  response.writeHead(200).end('{"key":"SEC-1"}');
});
let definitions: Parameters<typeof makeCallBook>[0];

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const secretFile = join(root, 'secret');
  writeFileSync(secretFile, 'k'.repeat(32));
  chmodSync(secretFile, 0o600);
  definitions = {
    hook: { webhook: { url: `${base}/hook`, secretFile } },
    desk: { ticket: { url: `${base}/desk`, body: {}, key: '/key', close: { url: `${base}/desk/{key}/close` } } },
  };
  mkdirSync(template);
  const clock = steppedClock(t0);
  const trial = await startPlanTrial(template, clock, new SimulatedEstate(clock, new Random(1)));
  must(await trial.desk.store.write(async (db) => ok(await saveVm(db, 'host1', runningVm(1, 'vm1')))));
  await trial.close();
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(root, { recursive: true, force: true });
});

/** A book whose calls can be died before and after. */
function mortalBook(book: CallBook, fate: () => Fate): CallBook {
  return {
    ...book,
    caller(name) {
      const caller = book.caller(name);
      if (caller === null) return null;
      return {
        ...caller,
        async call(order) {
          fate()('before a call');
          const outcome = await caller.call(order);
          fate()('after a call');
          return outcome;
        },
      };
    },
  };
}

async function live(fate: Fate) {
  const dir = mkdtempSync(join(root, 'life-'));
  copyFileSync(join(template, 'manager.db'), join(dir, 'manager.db'));
  const clock = steppedClock(t0);
  const estate = new SimulatedEstate(clock, new Random(1));
  const vm = estate.add(vmId(1));
  asked = [];
  done = new Map();
  const steps = [
    ...planOf(['quarantine']).steps,
    callStep({ name: 'hook', canEnd: false }, vmId(1), 'w', 's'),
    callStep({ name: 'desk', canEnd: true }, vmId(1), 'w', 's'),
    ...planOf(['suspend']).steps,
  ];
  let isUndoAsked = false;
  try {
    for (let managers = 1; ; managers += 1) {
      assert.ok(managers < 20, 'it never comes to an end');
      let trial: PlanTrial | null = null;
      let isDead = false;
      const mortal: Fate = (point) => {
        if (isDead) throw new Died(point);
        try {
          fate(point);
        } catch (thrown) {
          isDead = true;
          throw thrown;
        }
      };
      try {
        trial = await startPlanTrial(
          dir,
          clock,
          estate,
          mortal,
          mortalBook(makeCallBook(definitions, null, clock), () => mortal),
        );
        await trial.adopt(planOf([], { steps }));
        await trial.settle();
        if (!isUndoAsked && (await trial.run('plan')).state === 'done') {
          must(await trial.undo('plan'));
          isUndoAsked = true;
          await trial.settle();
        }
        return { run: await trial.run('plan'), vm, managers };
      } catch (thrown) {
        if (!(thrown instanceof Died)) throw thrown;
      } finally {
        await trial?.close();
      }
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function check({ run, vm }: Awaited<ReturnType<typeof live>>, said: string): void {
  assert.equal(run.state, 'undone', said);
  assert.deepEqual([...done.values()].toSorted(), ['POST /desk', 'POST /desk/SEC-1/close', 'POST /hook'], said);
  assert.equal(asked.indexOf('POST /desk/SEC-1/close') > asked.indexOf('POST /desk'), true, said);
  assert.deepEqual(
    vm.effects.map((effect) => effect.split(' ')[0]),
    ['quarantine', 'suspend', 'resume', 'lift'],
    said,
  );
}

test('whatever it was doing, each thing is asked for by one name, and the plan comes to its end', async () => {
  const points: string[] = [];
  check(await live((point) => void points.push(point)), 'alive');
  assert.ok(points.includes('after a call') && points.length > 40, String(points.length));
  assert.equal(asked.length, 3);
  const every = counted(4, 1);
  for (const [number, point] of points.entries()) {
    if (number % every !== seed() % every && !point.includes('call')) continue;
    let here = -1;
    const lived = await live((at_) => {
      here += 1;
      if (here === number) throw new Died(at_);
    });
    check(lived, `${point} (point ${number} of ${points.length})`);
    assert.equal(lived.managers, 2, 'it did not die');
  }
});
