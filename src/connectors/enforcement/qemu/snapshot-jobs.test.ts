// Going back is believed when the guest's own timer shows it; a guest that was not touched runs on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../../../kit/canonical-json.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import { type Monitor, monitorProblem } from '../../../protocols/qmp/monitor.ts';
import { loadSnapshot } from './snapshot-jobs.ts';

const patience = { clock: { now: () => 0, monotonic: () => 0 }, sleep: async () => undefined };
const disk = { device: 'd', inserted: { 'node-name': 'n', drv: 'qcow2', ro: false, image: {} } };

interface Guest {
  readonly timers: readonly (readonly [string, string] | null)[];
  readonly running?: boolean;
  readonly error?: string;
  readonly refused?: boolean;
}

function guest({ timers, running = true, error, refused = false }: Guest) {
  const orders: string[] = [];
  let reads = 0;
  const answers: Record<string, Json> = {
    'query-status': { running },
    'query-block': [disk],
    'query-jobs': [{ id: 'plumbline-x', status: 'concluded', ...(error === undefined ? {} : { error }) }],
  };
  const monitor: Pick<Monitor, 'execute' | 'hmp'> = {
    async execute(command) {
      if (!(command in answers)) orders.push(command);
      if (refused && command === 'snapshot-load') return fail(monitorProblem(problem('failed', 'QEMU refused: no.')));
      return ok(answers[command] ?? {});
    },
    async hmp() {
      const timer = timers[Math.min(reads, timers.length - 1)];
      reads += 1;
      return ok(timer == null ? 'Cannot access memory' : `00000000fed000f0: 0x${timer[0]} 0x${timer[1]}\r\n`);
    },
  };
  return { orders, load: () => loadSnapshot(monitor as Monitor, 'x', patience) };
}

const early = ['00000005', '00000001'] as const;
const late = ['00000004', '00000002'] as const;

test('a timer that went back shows it, and a guest that ran runs again', async () => {
  const { orders, load } = guest({ timers: [late, early] });
  const went = await load();
  assert.match(went.ok ? went.value : '', /from 8589934596 to 4294967301 ticks/);
  assert.deepEqual(orders, ['stop', 'snapshot-load', 'job-dismiss', 'cont']);
  const standing = guest({ timers: [late, early], running: false });
  assert.ok((await standing.load()).ok);
  assert.deepEqual(standing.orders, ['snapshot-load', 'job-dismiss']);
});

for (const [title, of, kind, runs] of [
  ['a timer that stands where it stood', { timers: [late] }, 'interrupted', true],
  ['a timer that went on', { timers: [early, late] }, 'interrupted', true],
  ['no timer', { timers: [null] }, 'interrupted', true],
  ['an order that is refused', { timers: [late], refused: true }, 'failed', true],
  ['a load that ended half-way', { timers: [late, early], error: 'bad image' }, 'failed', false],
] as const)
  test(`${title} shows nothing, and the guest ${runs ? 'runs on' : 'stays as it was left'}`, async () => {
    const { orders, load } = guest(of);
    const went = await load();
    assert.equal(went.ok ? 'ok' : went.error.kind, kind);
    assert.equal(orders.includes('cont'), runs);
  });
