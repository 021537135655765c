// The loop's own rules, with a connection that answers when the test says so: what is done to a standing guest is done one after another,
// and for how long the guest has been standing is known.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import type { GdbClient } from '../../protocols/gdb/gdb-client.ts';
import type { StopReply } from '../../protocols/gdb/stop-reply.ts';
import { StopLooker } from './stop-look.ts';
import { TraceJournal } from './trace-journal.ts';
import { TraceLoop } from './trace-loop.ts';
import type { OpenTarget } from './trace-target.ts';

type Answers = Result<readonly string[]>;

/** One question at a time, as QEMU's client has it; whoever asks another meanwhile fails the test. */
class SlowClient {
  readonly said: string[] = [];
  #onStop: (stop: StopReply) => void = () => {};
  #settle: ((answers: Answers) => void) | null = null;

  onStop(listener: (stop: StopReply) => void): void {
    this.#onStop = listener;
  }

  stop(crossed?: true): void {
    const reply = { signal: crossed === true ? 2 : 5, thread: 1, atData: false };
    this.#onStop(crossed === true ? { ...reply, crossed } : reply);
  }

  settleDown(): Promise<Answers> {
    return this.ask(['settle']);
  }

  askThen(commands: readonly string[], settle: (answers: Answers) => void): void {
    if (commands.length === 0) return settle(ok([]));
    assert.equal(this.#settle, null, `asked ${commands.join()} beside another question`);
    this.said.push(...commands);
    this.#settle = settle;
  }

  ask(commands: readonly string[]): Promise<Answers> {
    return new Promise((resolve) => this.askThen(commands, resolve));
  }

  async answer(...answers: readonly string[]): Promise<void> {
    const settle = this.#settle;
    this.#settle = null;
    settle?.(ok(answers));
    await turn();
  }

  resume(): void {
    this.said.push('run');
  }

  interrupt(): void {
    this.said.push('interrupt');
  }

  destroy(): void {
    this.said.push('end');
  }
}

const registers = '00'.repeat(608);

function loopOn(client: SlowClient) {
  const clock = { nowMs: 0, now: () => 0, monotonic: () => clock.nowMs };
  const target = { space: { pages: { begin: () => {} } }, writable: null } as unknown as OpenTarget;
  const parts = {
    client: client as unknown as GdbClient,
    target,
    threads: [1],
    points: [],
    looker: new StopLooker([]),
    desk: null,
    journal: new TraceJournal(clock, () => {}),
    clock,
  };
  const events = { stopped: () => {}, held: () => {}, pausedByOther: () => {}, broken: () => {} };
  const loop = new TraceLoop(parts, events);
  loop.run();
  return { loop, clock, losses: () => parts.journal.summary().losses };
}

test('since when the guest stands is known until it runs on', async () => {
  const client = new SlowClient();
  const { loop, clock } = loopOn(client);
  assert.equal(loop.standsSinceMs, null);
  clock.nowMs = 1_000;
  client.stop();
  clock.nowMs = 1_500;
  assert.equal(loop.standsSinceMs, 1_000, 'however long the answer takes');
  await client.answer(registers);
  assert.equal(loop.standsSinceMs, null);
  assert.deepEqual(client.said, ['run', 'g', 'run']);
});

test('orders that come together are carried out one after another, and after the last one nothing more', async () => {
  const client = new SlowClient();
  const { loop } = loopOn(client);
  const looked = loop.whileStanding(() => client.ask(['qLook']));
  const left = loop.whileStanding(() => loop.leave());
  const late = loop.whileStanding(() => client.ask(['qLate']));
  await turn();
  client.stop();
  await client.answer(registers);
  await client.answer('seen');
  assert.deepEqual(await looked, ok(['seen']));
  await turn();
  client.stop();
  await client.answer(registers);
  await client.answer('OK');
  assert.deepEqual(await left, ok(undefined));
  assert.ok(!(await late).ok);
  assert.deepEqual(client.said, ['run', 'interrupt', 'g', 'qLook', 'run', 'interrupt', 'g', 'D', 'end']);
});

test('an order to run that crossed with somebody else’s is no pause of theirs: the guest is looked at, let run, and a loss is told', async () => {
  const client = new SlowClient();
  const { loop, losses } = loopOn(client);
  client.stop(true);
  await client.answer('vCont;c;C;s;S');
  await client.answer(registers);
  assert.deepEqual(client.said, ['run', 'settle', 'g', 'run']);
  assert.equal(loop.state, 'running');
  assert.equal(losses(), 1);
});
