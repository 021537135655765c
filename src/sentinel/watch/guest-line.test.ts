// A line that was closed, or whose QEMU has ended, keeps nothing: the next QEMU of the VM listens at the same place, and serves one client.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GuestHandle } from '../../introspection/hypervisor/guest-handle.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { GuestLine } from './guest-line.ts';
import type { GuestSession, GuestSource } from './guest-source.ts';

const clock = { now: () => 0, monotonic: () => 0 };
const never = new Promise<never>(() => undefined);

class Place {
  isAlive = true;
  connections = 0;
  sessions = 0;
  open = 0;
  /** Who connects or attaches waits for this. */
  gate: Promise<void> = Promise.resolve();
  /** Which of the two waits. */
  gated: 'connect' | 'attach' = 'connect';

  line(): GuestLine {
    const source: Partial<GuestSource> = {
      alive: () => this.isAlive,
      connect: async (): Promise<Result<Monitor>> => {
        this.connections += 1;
        this.open += 1;
        if (this.gated === 'connect') await this.gate;
        const monitor: Partial<Monitor> = {
          closed: never,
          subscribe: () => () => undefined,
          execute: () => Promise.resolve(ok({ running: true, status: 'running' })),
          close: () => void (this.open -= 1),
        };
        return ok(monitor as Monitor);
      },
      attach: async (): Promise<Result<GuestSession>> => {
        if (this.gated === 'attach') await this.gate;
        this.sessions += 1;
        const session: Partial<GuestSession> = { close: () => void (this.sessions -= 1) };
        return ok(session as GuestSession);
      },
    };
    return new GuestLine({} as GuestHandle, source as GuestSource, clock, () => undefined);
  }
}

test('a line that is brought up holds one connection and one session until it is closed', async () => {
  const place = new Place();
  const line = place.line();
  assert.notEqual(await line.bring(), null);
  assert.notEqual(await line.bring(), null);
  assert.deepEqual([place.connections, place.open, place.sessions], [1, 1, 1]);
  line.close();
  assert.deepEqual([place.open, place.sessions], [0, 0]);
  assert.equal(await line.bring(), null, 'who still asks for it brings up nothing');
  assert.deepEqual([place.connections, line.monitor], [1, null]);
});

for (const gated of ['connect', 'attach'] as const)
  test(`what a line was about to have when it was closed is given back (${gated})`, async () => {
    const place = new Place();
    const { promise, resolve } = Promise.withResolvers<void>();
    place.gate = promise;
    place.gated = gated;
    const line = place.line();
    const brought = line.bring();
    await new Promise((done) => setImmediate(done));
    line.close();
    resolve();
    assert.equal(await brought, null);
    assert.deepEqual([place.connections, place.open, place.sessions, line.monitor], [1, 0, 0, null]);
  });

test('a QEMU that ended while it was being connected to has another in its place, which is let alone', async () => {
  const place = new Place();
  const { promise, resolve } = Promise.withResolvers<void>();
  place.gate = promise;
  const line = place.line();
  const brought = line.bring();
  place.isAlive = false;
  resolve();
  assert.equal(await brought, null);
  assert.deepEqual([place.connections, place.open, line.monitor], [1, 0, null]);
  assert.match(line.why ?? '', /ended/);
});

test('why it cannot be had is said', async () => {
  const source: Partial<GuestSource> = {
    alive: () => true,
    connect: () => Promise.resolve(fail(problem('refused', 'somebody has it'))),
  };
  const line = new GuestLine({} as GuestHandle, source as GuestSource, clock, () => undefined);
  assert.equal(await line.bring(), null);
  assert.match(line.why ?? '', /somebody has it/);
});
