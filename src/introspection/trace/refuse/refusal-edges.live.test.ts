// Refusing at its edges, on real guests: breakpoints instead of watchpoints, a listener outside that must hear nothing, a tracer that dies
// while it decides, decisions that fail or take a person's time, and processes that must not be killed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../../../lab/guest.ts';
import { bootPlainGuest } from '../../../../lab/plain-guest.ts';
import { sharedGuest } from '../../../../lab/shared-guests.ts';
import { openGuestStub, traceGuest } from '../../../../lab/traced-guest.ts';
import type { Result } from '../../../kit/result.ts';
import { listTasks } from '../../guest/task-list.ts';
import { Ledger } from '../../guest/ledger.ts';
import { attemptHooks } from '../hooks/attempts/attempt-hooks.ts';
import type { AttemptKind } from '../hooks/attempts/attempt-hooks.ts';
import { openTarget } from '../trace-target.ts';
import type { Decide } from '../trace-event.ts';
import type { TraceOptions } from '../tracer.ts';
import { killPlaces, mayKill } from './forced-kill.ts';

function must<T, P extends { readonly message: string }>(result: Result<T, P>): T {
  if (!result.ok) assert.fail(result.error.message);
  return result.value;
}

const forbidsByName: Decide = ({ argv }) => (argv?.includes('forbidden') === true ? 'block' : 'allow');

function refusing(decide: Decide, kinds: readonly AttemptKind[]): Partial<TraceOptions> {
  return {
    decide,
    attempts: (context) =>
      attemptHooks(context, { kinds: new Set(kinds), onDoubt: assert.fail, onSlip: () => assert.fail('slipped') })
        .hooks,
  };
}

interface Counts {
  readonly tried: number;
  readonly succeeded: number;
  readonly effects: number;
  readonly failed: Readonly<Record<string, number>>;
}

async function attempt(guest: Guest, words: string): Promise<Readonly<Record<'allowed' | 'forbidden', Counts>>> {
  const { out } = await guest.run(`attempts ${words}`, 120_000);
  return JSON.parse(out) as Readonly<Record<'allowed' | 'forbidden', Counts>>;
}

suite('refusing by breakpoints', { timeout: 300_000 }, () => {
  for (const kernel of ['5.10', '7'] as const) {
    test(`returns for the function that would have gone on, on Linux ${kernel}`, async () => {
      const guest = await sharedGuest(kernel, { hardware: { vcpus: 2 } });
      await guest.run('for port in 7101 7201; do attempts serve $port </dev/null >/dev/null 2>&1 & done; sleep 0.3');
      const tainted = (await guest.run('cat /proc/sys/kernel/tainted')).out;
      const decide: Decide = (one) => {
        if (one.kind === 'exec') return forbidsByName(one);
        return one.remotePort === 7201 || one.localPort === 7202 ? 'block' : 'allow';
      };
      const kinds = ['exec', 'connect', 'listen'] as const;
      const traced = await traceGuest(guest, { ...refusing(decide, kinds), technique: 'code', kinds });
      try {
        const all = [
          [await attempt(guest, 'exec fork 8 1 /bin/first-write'), '13', 1],
          [await attempt(guest, 'connect tcp 8 1 127.0.0.1 7101 7201'), '1', 0],
          [await attempt(guest, 'connect udp 8 1 127.0.0.1 7101 7201'), '1', 0],
          [await attempt(guest, 'listen listen 8 1 7102 7202'), '1', 1],
        ] as const;
        for (const [{ allowed, forbidden }, errno, effects] of all) {
          assert.deepEqual(forbidden.failed, { [errno]: forbidden.tried });
          assert.deepEqual([forbidden.tried > 0, forbidden.effects], [true, 0]);
          assert.deepEqual([allowed.succeeded, allowed.effects], [allowed.tried, effects * allowed.tried]);
        }
      } finally {
        await traced.close();
        await guest.run('pkill attempts; true');
      }
      assert.equal((await guest.run('cat /proc/sys/kernel/tainted')).out, tainted);
    });
  }
});

suite('a listener outside the guest', { timeout: 240_000 }, () => {
  let guest: Guest;
  before(async () => {
    guest = must(await bootPlainGuest({ kernel: '6.1', name: 'refusal-network', hardware: { vcpus: 2 } }));
  });
  after(() => guest?.stop());

  test('hears of every allowed connection and of no refused one', async () => {
    const heard = { allowed: 0, forbidden: 0 };
    const servers = await Promise.all(
      (['allowed', 'forbidden'] as const).map(async (name) => {
        const server = createServer((socket) => {
          heard[name] += 1;
          socket.on('error', () => {});
          socket.end();
        }).listen(0, '127.0.0.1');
        await once(server, 'listening');
        return server;
      }),
    );
    const [allowedPort = 0, forbiddenPort = 0] = servers.map((server) => (server.address() as AddressInfo).port);
    // A card with a network of QEMU's own, where 10.0.2.2 is the host's loopback.
    must(await guest.qmp().execute('netdev_add', { type: 'user', id: 'out' }));
    must(await guest.qmp().execute('device_add', { driver: 'virtio-net-pci', netdev: 'out', romfile: '' }));
    await guest.run(
      'for i in 1 2 3 4 5 6 7 8 9; do [ -d /sys/class/net/eth0 ] && break; sleep 0.5; done; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; sleep 0.5',
    );
    const decide: Decide = ({ remotePort }) => (remotePort === forbiddenPort ? 'block' : 'allow');
    const traced = await traceGuest(guest, refusing(decide, ['connect']));
    try {
      const words = `connect tcp 40 4 10.0.2.2 ${allowedPort} ${forbiddenPort}`;
      const { allowed, forbidden } = await attempt(guest, words);
      assert.deepEqual(forbidden.failed, { 1: forbidden.tried });
      assert.equal(allowed.succeeded, allowed.tried);
      for (let turn = 0; turn < 50 && heard.allowed < allowed.tried; turn += 1) await wait(100);
      assert.deepEqual(heard, { allowed: allowed.tried, forbidden: 0 });
      assert.ok(forbidden.tried > 20);
    } finally {
      await traced.close();
      for (const server of servers) server.close();
    }
  });
});

suite('a decision', { timeout: 240_000 }, () => {
  let guest: Guest;
  before(async () => {
    guest = await sharedGuest('6.1', { hardware: { vcpus: 2 } });
  });

  test('in the middle of which the tracer dies lets the guest run on, and the next tracer refuses again', async () => {
    const stub = await openGuestStub(guest);
    const script = join(import.meta.dirname, '../../../../lab/dying-tracer.ts');
    const tracer = spawn(process.execPath, [script, JSON.stringify(stub.target)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(tracer.stdout, 'data');
    const ended = once(tracer, 'exit');
    const from = performance.now();
    const { out, code } = await guest.run('/bin/first-write forbidden 9>/tmp/written; cat /tmp/written');
    assert.deepEqual([code, out], [0, 'R'], 'undecided, the program ran');
    assert.ok(performance.now() - from < 5_000, 'the guest was not left standing');
    assert.deepEqual(await ended, [null, 'SIGKILL']);
    await stub.close();
    const traced = await traceGuest(guest, refusing(forbidsByName, ['exec']));
    const again = await guest.run('/bin/first-write forbidden 9>/tmp/written; cat /tmp/written');
    await traced.close();
    assert.match(again.out, /ermission denied/);
    assert.ok(!again.out.endsWith('R'));
  });

  test('that fails lets the attempt through, counted and told', async () => {
    const decide: Decide = ({ argv }) => {
      if (argv?.includes('forbidden') === true) throw new Error('no manifest');
      return 'allow';
    };
    const traced = await traceGuest(guest, refusing(decide, ['exec']));
    const { out } = await guest.run('/bin/first-write forbidden 9>/tmp/written; cat /tmp/written');
    await traced.close();
    assert.equal(out, 'R');
    assert.equal(traced.trace.summary().notRefused, 1);
    assert.match(traced.losses()[0]?.reason ?? '', /could not be decided: no manifest/);
  });

  test('to kill is seen through to the end, where ends are not watched for', async () => {
    const decide: Decide = ({ argv }) => (argv?.includes('forbidden') === true ? 'kill' : 'allow');
    const traced = await traceGuest(guest, { ...refusing(decide, ['exec']), kinds: ['exec', 'connect'] });
    const { out } = await guest.run('(/bin/first-write forbidden 9>/tmp/written); echo $?; cat /tmp/written');
    const [killed] = traced.events('exec', '/bin/first-write', 'forbidden');
    const ends = () => traced.events('exit');
    for (const deadline = performance.now() + 2_000; ends().length === 0 && performance.now() < deadline;)
      await wait(20);
    await traced.close();
    assert.deepEqual([out, killed?.verdict], ['Killed\n137\n', 'kill']);
    assert.deepEqual(
      ends().map(({ tgid, startedAfterBootUs, verdict }) => [tgid, startedAfterBootUs, verdict]),
      [[killed?.tgid, killed?.startedAfterBootUs, null]],
    );
  });

  test('left to a person holds the guest until it is made', async () => {
    const decide: Decide = ({ argv }) => (argv?.includes('forbidden') === true ? 'hold' : 'allow');
    const { promise: held, resolve: onHeld } = Promise.withResolvers<unknown>();
    const traced = await traceGuest(guest, { ...refusing(decide, ['exec']), onHeld });
    const running = guest.run('/bin/first-write forbidden 9>/tmp/written; cat /tmp/written');
    await held;
    await wait(300);
    assert.ok(traced.trace.release('block'));
    const { out } = await running;
    await traced.close();
    assert.match(out, /ermission denied/);
    assert.ok(!out.endsWith('R'));
  });
});

test('of a guest’s processes all may be killed but the first, and none of its kernel’s threads', async () => {
  const guest = await sharedGuest('6.12', { hardware: { vcpus: 2 } });
  await guest.run('unshare -p -f -m sh -c "sleep 30" >/dev/null 2>&1 & sleep 0.5');
  const stub = await openGuestStub(guest);
  const { space, close } = ((opened) => ({ space: opened.space, close: () => opened.close() }))(
    must(openTarget(stub.target, false)),
  );
  try {
    space.pages.begin(100_000);
    const places = killPlaces(space);
    assert.ok(places !== null);
    const name = (task: number): string => space.pages.text(task + space.profile.fields['task_struct.comm'], 16);
    const tasks = listTasks(space, new Ledger());
    const killable = tasks.filter((task) => mayKill(space, places, task)).map(name);
    assert.ok(killable.includes('lab-agent'), killable.join());
    const spared = tasks.filter((task) => !mayKill(space, places, task)).map(name);
    assert.ok(
      ['init', 'kthreadd'].every((one) => spared.includes(one)),
      spared.join(),
    );
    assert.ok(
      tasks.some((task) => name(task) === 'sh' && !mayKill(space, places, task)) || spared.includes('sleep'),
      'the first process of a container is spared',
    );
  } finally {
    close();
    await stub.close();
    await guest.run('pkill sleep; true');
  }
});
