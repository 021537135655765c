// The sensor against guests whose whole history is known: nothing reported twice, nothing invented, everything missed counted.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import type { SocketState, SocketView, SweepResult, TaskView } from '../../introspection/guest/guest-view.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import { SimulatedGuest } from '../../sim/simulated-guest.ts';
import { GuestSensor, type News } from './guest-sensor.ts';

const host = '00000000-0000-4000-8000-000000000001';

class Bench {
  nowMs = Date.parse('2026-01-01T00:00:00Z');
  readonly guest = new SimulatedGuest('web', host, 100, () => this.nowMs);
  readonly sensor = new GuestSensor({ host });
  readonly events: RawEvent[] = [];
  missed = 0;

  look(change: (sweep: SweepResult) => SweepResult = (sweep) => sweep): News {
    this.nowMs += 100;
    const sweep = change(this.guest.sweep());
    const { forks } = this.guest.activity();
    const news = this.sensor.next({ sweep, forksBefore: forks, forksAfter: forks }, () => sweep);
    this.events.push(...news.events);
    this.missed += news.missed;
    return news;
  }

  starts(): string[] {
    return this.events.filter((event) => event.kind === 'process_start').map((event) => `${event.pid} ${event.exe}`);
  }
}

const program = (name: string, uid = 0): { exe: string; argv: string[]; uid: number } => ({
  exe: `/bin/${name}`,
  argv: [name],
  uid,
});

suite('processes', () => {
  type Op = { readonly kind: 'fork' | 'exec' | 'exit' | 'look'; readonly at: number };
  const op: fc.Arbitrary<Op> = fc.record({
    kind: fc.constantFrom('fork', 'fork', 'exec', 'exec', 'exit', 'look', 'look'),
    at: fc.nat(1000),
  });

  test('every program seen by some sweep is reported once, every task seen by none is counted once', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 120 }), (ops) => {
        const bench = new Bench();
        const alive: number[] = [];
        const visible: string[] = [];
        const unseen = new Set<number>();
        /** Looks at a fork that has not execed. */
        const bareLooks = new Map<number, number>();
        let expectedMissed = 0;
        const look = (): void => {
          for (const pid of unseen) if (alive.includes(pid)) unseen.delete(pid);
          expectedMissed += unseen.size;
          unseen.clear();
          for (const [pid, looks] of bareLooks)
            if (!alive.includes(pid)) {
              if (looks === 1) expectedMissed += 1;
              bareLooks.delete(pid);
            }
          for (const task of bench.guest.sweep().tasks) {
            if (task.forkedNotExeced) bareLooks.set(task.pid, (bareLooks.get(task.pid) ?? 0) + 1);
            else {
              bareLooks.delete(task.pid);
              if (!visible.includes(task.id)) visible.push(task.id);
            }
          }
          bench.look();
        };
        look();
        expectedMissed = 0;
        for (const { kind, at } of ops) {
          const pid = alive[at % Math.max(1, alive.length)];
          if (kind === 'look') look();
          else if (kind === 'fork') {
            const child = bench.guest.fork(pid ?? 1);
            alive.push(child);
            unseen.add(child);
          } else if (pid !== undefined && kind === 'exec') {
            bench.guest.exec(pid, program(`p${at}`));
          } else if (pid !== undefined) {
            bench.guest.exit(pid);
            alive.splice(alive.indexOf(pid), 1);
          }
        }
        look();
        const reported = bench.events.filter((event) => event.kind === 'process_start').length;
        assert.equal(reported, visible.length);
        assert.equal(bench.missed, expectedMissed);
        const lossEvents = bench.events.filter((event) => event.kind === 'loss');
        assert.equal(
          lossEvents.reduce((sum, event) => sum + (event.missed ?? 0), 0),
          expectedMissed,
        );
      }),
      { numRuns: 300 },
    );
  });

  test('an exec under the same pid is a new program with the same parent', () => {
    const bench = new Bench();
    const shell = bench.guest.spawn(program('sh'));
    bench.look();
    const child = bench.guest.spawn(program('first'), shell);
    bench.look();
    bench.guest.exec(child, program('second'));
    bench.look();
    assert.deepEqual(bench.starts().slice(-2), [`${child} /bin/first`, `${child} /bin/second`]);
    assert.deepEqual(bench.events.at(-1)?.ancestors, ['/bin/sh', '/sbin/init']);
  });

  test('a parent that is gone is remembered from when the fork was seen', () => {
    const bench = new Bench();
    bench.look();
    const shell = bench.guest.spawn(program('sh'));
    const daemon = bench.guest.fork(shell);
    bench.look();
    bench.guest.exit(shell);
    bench.guest.exec(daemon, program('daemon'));
    bench.look();
    const start = bench.events.find((event) => event.exe === '/bin/daemon');
    assert.equal(start?.ppid, 1);
    assert.equal(start?.parentExe, '/bin/sh');
    assert.deepEqual(start?.ancestors, ['/bin/sh', '/sbin/init']);
  });

  test('a change of user is reported when a second look confirms it', () => {
    const bench = new Bench();
    const pid = bench.guest.spawn(program('server', 33));
    bench.look();
    bench.guest.become(pid, 0);
    assert.equal(bench.look().lookAgain, true);
    assert.equal(bench.starts().filter((start) => start.startsWith(String(pid))).length, 1);
    bench.look();
    assert.deepEqual(
      bench.events.filter((event) => event.pid === pid).map((event) => event.uid),
      [33, 0],
    );
  });

  test('kernel threads, bare forks and tasks in the middle of an exec are not programs', () => {
    const bench = new Bench();
    const middle = bench.guest.spawn(program('x'));
    const bare = bench.guest.fork(1);
    const hide = (task: TaskView): TaskView =>
      task.pid === middle ? { ...task, transient: 'exec', exe: null, argv: null } : task;
    const kernel = (sweep: SweepResult): SweepResult => ({
      ...sweep,
      tasks: [
        ...sweep.tasks.map(hide),
        { ...(sweep.tasks[0] as TaskView), id: 'k', pid: 2, tgid: 2, kernelThread: true, exe: null, argv: null },
      ],
    });
    assert.equal(bench.look(kernel).lookAgain, true);
    assert.deepEqual(bench.starts(), ['1 /sbin/init']);
    bench.look();
    assert.deepEqual(bench.starts(), ['1 /sbin/init', `${middle} /bin/x`]);
    assert.ok(!bench.starts().some((start) => start.startsWith(`${bare} `)));
  });

  test('what was seen only in the middle of an exec and is gone was missed', () => {
    const bench = new Bench();
    bench.look();
    const pid = bench.guest.spawn(program('x'));
    bench.look((sweep) => ({
      ...sweep,
      tasks: sweep.tasks.map((task) =>
        task.pid === pid ? { ...task, transient: 'exec', exe: null, argv: null } : task,
      ),
    }));
    bench.guest.exit(pid);
    bench.look();
    assert.equal(bench.missed, 1);
  });

  test('threads explain the fork counter, and only their own share of it', () => {
    const bench = new Bench();
    bench.look();
    const server = bench.guest.spawn(program('server'));
    const thread = bench.guest.fork(server);
    const brief = bench.guest.fork(server);
    bench.guest.exit(brief);
    bench.look((sweep) => ({
      ...sweep,
      tasks: sweep.tasks.map((task) => (task.pid === thread ? { ...task, tgid: server } : task)),
    }));
    assert.equal(bench.missed, 1);
    // A thread that goes on living explains nothing a second time.
    bench.guest.exit(bench.guest.fork(server));
    bench.look((sweep) => ({
      ...sweep,
      tasks: sweep.tasks.map((task) => (task.pid === thread ? { ...task, tgid: server } : task)),
    }));
    assert.equal(bench.missed, 2);
  });

  test('an incomplete sweep loses nobody and says that it is one', () => {
    const bench = new Bench();
    const pid = bench.guest.spawn(program('x'));
    bench.look();
    const cut = bench.look((sweep) => ({
      ...sweep,
      complete: false,
      notes: [{ kind: 'torn', count: 3, detail: 'the list of tasks changed' }],
      tasks: sweep.tasks.filter((task) => task.pid !== pid),
    }));
    assert.match(cut.events.at(-1)?.reason ?? '', /3 torn: the list of tasks changed/);
    assert.equal(cut.events.at(-1)?.missed, undefined);
    bench.look();
    assert.equal(bench.starts().length, 2);
    assert.ok(!bench.events.some((event) => event.kind === 'process_exit'));
  });

  test('asked to restate, it reports what is there once more, with the parents it knew', () => {
    const bench = new Bench();
    const shell = bench.guest.spawn(program('sh'));
    const child = bench.guest.spawn(program('child'), shell);
    bench.guest.open(socket('LISTEN', 80, [{ pid: child, fd: 3 }]));
    bench.look();
    bench.guest.exit(shell);
    bench.look();
    const first = bench.events.filter((event) => event.pid === child);
    bench.events.length = 0;
    bench.sensor.restate();
    bench.look();
    bench.look();
    const again = bench.events.filter((event) => event.pid === child);
    const said = (event: RawEvent): unknown => [event.kind, event.exe, event.parentExe, event.localPort];
    assert.deepEqual(again.map(said), first.map(said));
    assert.equal(bench.missed, 0);
  });

  test('a guest cannot make it write an impossible time', () => {
    const bench = new Bench();
    bench.look((sweep) => ({ ...sweep, tasks: sweep.tasks.map((task) => ({ ...task, startedMs: 1e300 })) }));
    assert.equal(bench.events[0]?.startedAt, undefined);
  });
});

function socket(state: SocketState, localPort: number, holders: SocketView['holders'] = []): SocketView {
  const far =
    state === 'LISTEN' ? { remoteAddress: '0.0.0.0', remotePort: 0 } : { remoteAddress: '10.0.0.9', remotePort: 443 };
  return { protocol: 'tcp', family: 4, state, localAddress: '10.0.0.1', localPort, ...far, netNamespace: 1, holders };
}

test('sockets beyond the table are counted as loss', () => {
  const bench = new Bench();
  const sensor = new GuestSensor({ host, socketsMax: 10 });
  const sockets = Array.from({ length: 15 }, (_, i) => socket('TIME_WAIT', 40_000 + i));
  const news = sensor.next({ sweep: { ...bench.guest.sweep(), sockets }, forksBefore: 1, forksAfter: 1 }, () => null);
  assert.match(news.events.at(-1)?.reason ?? '', /5 sockets exceed the table/);
});
