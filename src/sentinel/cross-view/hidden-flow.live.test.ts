// Hidden activity on real guests: what speaks TCP below the kernel is named, and a shop under load raises nothing.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { openBridgedPair, trafficInGuest, type BridgedPair } from '../../../lab/bridged-pair.ts';
import { ProcessRecords } from '../../../lab/process-records.ts';
import { counted } from '../../../lab/scale.ts';
import { openKernelSpace, tamper } from '../../../lab/tampering.ts';
import { openThreeTierLab, type ThreeTierLab } from '../../../lab/three-tier.ts';
import { tiers } from '../../../lab/tier-disk.ts';
import type { GuestSession } from '../../introspection/guest-session.ts';
import { attach, findGuests } from '../../introspection/introspection.ts';
import { problem } from '../../kit/problem.ts';
import { fail, type Result } from '../../kit/result.ts';
import { FlowWatch } from '../../sensors/flows/flow-watch.ts';
import type { HiddenFlow } from './hidden-flow.ts';
import { HiddenFlowWatch } from './hidden-flow-watch.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const quiet = '</dev/null >/dev/null 2>&1 &';
/** Addresses that no kernel has: the hidden listener claims them. */
const hiddenAddress = '10.77.0.99';
const hiddenPort = 4040;

function must<T>(result: Result<T>): T {
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  return result.value;
}

interface Watching {
  readonly found: readonly HiddenFlow[];
  readonly flows: FlowWatch;
  readonly hidden: HiddenFlowWatch;
  readonly sessions: ReadonlyMap<string, GuestSession>;
  stop(): Promise<void>;
}

/** Everything as a sentinel would hold it, for these QEMU processes by name. */
async function watchOver(guests: ReadonlyMap<string, number>): Promise<Watching> {
  const sessions = new Map<string, GuestSession>();
  for (const handle of must(findGuests())) {
    const vm = [...guests].find(([, pid]) => pid === handle.pid)?.[0];
    if (vm !== undefined) sessions.set(vm, must(await attach(handle, { clock, profileDirectory: null })));
  }
  assert.equal(sessions.size, guests.size);
  const flows = new FlowWatch({
    vms: () => [...guests].map(([vm, pid]) => ({ vm, pid })),
    clock,
    listener: { opened() {}, ended() {}, lost() {} },
  });
  await flows.start();
  const found: HiddenFlow[] = [];
  const hidden = new HiddenFlowWatch({
    flows,
    clock,
    look: async (vm) => {
      const session = sessions.get(vm);
      const swept = session?.sweep();
      return session === undefined || swept?.ok !== true ? null : { sweep: swept.value, forwards: session.forwards() };
    },
    found: (it) => found.push(it),
  });
  for (const vm of guests.keys()) hidden.watch(vm);
  await wait(1500);
  return {
    found,
    flows,
    hidden,
    sessions,
    async stop() {
      hidden.close();
      await flows.stop();
      for (const session of sessions.values()) session.close();
    },
  };
}

async function named(
  watching: Watching,
  what: HiddenFlow['what'],
  withinMs: number,
  port = hiddenPort,
): Promise<HiddenFlow> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const hit = watching.found.find((it) => it.what === what && [it.flow.localPort, it.flow.remotePort].includes(port));
    if (hit !== undefined) return hit;
    const open = watching.flows.open().map(({ record, evidence }) => ({ ...record, ...evidence }));
    const known = JSON.stringify([watching.hidden.health(), watching.flows.health(), open.slice(-3), watching.found]);
    assert.ok(performance.now() < deadline, `no ${what} within ${withinMs} ms: ${known}`);
    await wait(20);
  }
}

suite('hidden activity of a guest', () => {
  let pair: BridgedPair;
  let watching: Watching;

  before(async () => {
    pair = must(await openBridgedPair({ switch: 'bridge', prefix: `hide-${process.pid}-` }));
    const { left, right } = pair.guests;
    pair.start([pair.traffic, 'serve', '7000']);
    await right.run(`${trafficInGuest} serve 7001 ${quiet}`);
    watching = await watchOver(
      new Map([
        ['left', left.pid() ?? 0],
        ['right', right.pid() ?? 0],
      ]),
    );
  });
  after(async () => {
    await watching?.stop();
    await pair?.stop();
  });

  test('a guest that has its sockets raises nothing, and says whether it passes on packets', async () => {
    const session = watching.sessions.get('left');
    assert.equal(session?.forwards(), false);
    await pair.guests.left.run('echo 1 > /proc/sys/net/ipv4/ip_forward');
    assert.equal(session?.forwards(), true);
    await pair.guests.left.run('echo 0 > /proc/sys/net/ipv4/ip_forward');
    await pair.guests.left.run(`${trafficInGuest} talk ${pair.addresses.right} 7001 30 100 ${quiet}`);
    await pair.guests.left.run(`${trafficInGuest} tcp ${pair.addresses.gateway} 7000 50 5000`);
    await wait(5000);
    assert.ok(watching.hidden.health().looks >= 4, JSON.stringify(watching.hidden.health()));
    assert.deepEqual(watching.found, []);
  });

  test('a connection that the kernel knows nothing of is named within 5 s', async () => {
    await pair.guests.right.run(`${trafficInGuest} hidden eth0 ${hiddenAddress} ${hiddenPort} ${quiet}`);
    await wait(500);
    pair.start([pair.traffic, 'talk', hiddenAddress, String(hiddenPort), '60', '200']);
    const beganMs = performance.now();
    const { vm, flow, detail } = await named(watching, 'hidden-flow', 5000);
    assert.ok(performance.now() - beganMs < 5000);
    assert.deepEqual(
      [vm, flow.direction, flow.localAddr, flow.remoteAddr],
      ['right', 'inbound', hiddenAddress, '10.77.0.1'],
    );
    assert.match(detail, /no socket/);
  });

  test('a connection of a process that was taken off the list is named within 5 s', async () => {
    const { left } = pair.guests;
    await left.run(`${trafficInGuest} talk ${pair.addresses.gateway} 7000 60 200 ${quiet}`);
    await wait(1500);
    const tasks = must(watching.sessions.get('left')?.sweep() ?? fail(problem('failed', 'no session'))).tasks;
    const talker = tasks.find(({ argv }) => argv?.includes('7000') === true)?.pid ?? 0;
    const space = await openKernelSpace(left);
    const records = new ProcessRecords(space);
    records.renew();
    const links = records.unlink(records.task(talker) + records.field('task_struct.tasks'));
    assert.deepEqual(
      watching.found,
      watching.found.filter(({ vm }) => vm !== 'left'),
    );
    const tampered = await tamper(left, links);
    // Put back before anything is judged: a process off the list must not end as one.
    const hit = await named(watching, 'hidden-flow', 5000, 7000).catch((thrown: unknown) => thrown);
    await tampered.undo();
    space.pages.memory.close();
    if (hit instanceof Error) throw hit;
    const { vm, detail } = hit as HiddenFlow;
    assert.equal(vm, 'left');
    assert.match(detail, /none of the processes that the guest lists holds it/);
  });

  test('a listener that the guest denies is named within 5 s, when it has agreed again', async () => {
    // Each connection is over at once: there is nothing to be seen but that somebody agreed to it.
    const knocking = setInterval(() => {
      pair.start([pair.traffic, 'tcp', hiddenAddress, String(hiddenPort), '1', '0']);
    }, 1000);
    const { vm, flow } = await named(watching, 'hidden-listener', 5_000).finally(() => clearInterval(knocking));
    assert.deepEqual([vm, flow.localAddr], ['right', hiddenAddress]);
  });
});

suite('a shop under load, seen from both sides', () => {
  let lab: ThreeTierLab;
  let watching: Watching;

  before(async () => {
    lab = must(await openThreeTierLab({ prefix: `cross-${process.pid}-` }));
    watching = await watchOver(new Map(tiers.map((tier) => [tier, lab.guests[tier].pid() ?? 0])));
  });
  after(async () => {
    await watching?.stop();
    await lab?.stop();
  });

  test('raises nothing', async () => {
    must(await lab.startLoad());
    const seconds = counted(25, 600);
    await wait(seconds * 1000);
    must(await lab.stopLoad());
    const health = watching.hidden.health();
    assert.deepEqual(watching.found, [], JSON.stringify(health));
    assert.ok(health.looks > seconds / 3, JSON.stringify(health));
    assert.deepEqual(watching.flows.health().losses, {});
    assert.ok(watching.flows.health().intake.frames > seconds * 8);
  });
});
