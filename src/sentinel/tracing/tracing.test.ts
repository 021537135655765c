// A sentinel that traces: what it reports once, what it refuses inside the guest, what it holds for a person, and what it does
// when the tracer dies. The tracer is simulated, the program that asks the manifest is the real one.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { silentLog } from '../../kit/log.ts';
import { problem } from '../../kit/problem.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { Remediation } from '../../model/remediation.ts';
import type { Rule } from '../../model/rule.ts';
import type { Vm } from '../../model/vm.ts';
import { RecordingManager } from '../../sim/recording-manager.ts';
import { SimulatedHost } from '../../sim/simulated-host.ts';
import type { SimulatedGuest } from '../../sim/simulated-guest.ts';
import { SimulatedTrace } from '../../sim/simulated-trace.ts';
import { releaseStep } from '../../stages/respond/steps.ts';
import { startSentinel, type Sentinel } from '../main.ts';
import type { SentinelOptions } from '../sentinel-options.ts';
import type { StartTracer } from './tracer-messages.ts';
import { followDoor } from './follow-door.ts';
import { TracerHost } from './tracer-host.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const vm = '00000000-0000-4000-8000-000000000001';
const init = { exe: '/sbin/init', argv: ['/sbin/init'] };
const evil = {
  kind: 'exec',
  exe: '/tmp/evil',
  argv: ['/tmp/evil', '--now'],
  tgid: 300,
  startedAfterBootUs: 7,
} as const;
const inline = (action: Rule['action']): Rule => ({ on: 'any', minSeverity: 'info', action, approval: 'automatic' });

async function until(what: string, holds: () => boolean, withinMs = 5000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `not within ${withinMs} ms: ${what}`);
    await wait(5);
  }
}

suite('tracing', () => {
  let dir = '';
  let guest: SimulatedGuest;
  let manager: RecordingManager;
  let trace: SimulatedTrace;
  let sentinel: Sentinel;

  /** The tracer's program in this process, on a line that copies what crosses it. */
  const startTracer: StartTracer = (listener) => {
    const host = new TracerHost({
      open: (target, options) => trace.open(target, options),
      clock,
      post: (message) => Promise.resolve(listener.hear(structuredClone(message))),
    });
    return { send: (message) => void host.receive(structuredClone(message)), kill: () => listener.gone('killed') };
  };

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'plumbline-t-'));
    const host = new SimulatedHost(clock, (ms) => wait(ms));
    guest = host.add('web', vm);
    manager = new RecordingManager();
    trace = new SimulatedTrace();
    await start({ source: host });
    await until('attached', () => sentinel.health().vms.some((it) => it.vm.state === 'running'));
  });
  afterEach(async () => {
    await sentinel.close();
    rmSync(dir, { recursive: true, force: true });
  });

  async function start(options: Partial<SentinelOptions>): Promise<void> {
    const { trusted } = manager;
    const base = { name: 'host', stateDir: dir, trusted, manager, clock, log: silentLog, startTracer };
    const started = await startSentinel({ ...base, holdMs: 400, lostSightMs: 300, ...options });
    assert.ok(started.ok);
    sentinel = started.value;
  }

  let generation = 0;
  async function install(mode: Manifest['mode'], orders: readonly Rule[] = [], sight?: 'traced'): Promise<void> {
    generation += 1;
    const at = new Date().toISOString();
    const entry = { kind: 'process', exe: init.exe, argv: init.argv, user: 'any', parent: '?' } as const;
    const manifest: Manifest = {
      format: 'plumbline.manifest/1',
      vm,
      vmName: 'web',
      scope: 'shop',
      service: 'web',
      mode,
      ...(sight === undefined ? {} : { sight }),
      generation,
      issuedAt: at,
      entries: [{ id: 'e1', behaviour: entry, provenance: { kind: 'declared', at } }],
      orders: [...orders],
    };
    assert.ok((await sentinel.end.install(manager.manifest(manifest))).ok);
  }

  const traced = async (mode: Manifest['mode'], orders: readonly Rule[] = []): Promise<void> => {
    await install(mode, orders, 'traced');
    await until('tracing', () => shown().trace?.state === 'tracing');
  };
  const shown = (): Vm => sentinel.health().vms[0]?.vm ?? assert.fail('no VM');
  const answers = (): Remediation[] => manager.told('remediations').filter((it) => it.state !== 'executing');
  const counted = (exe: string): number =>
    manager
      .told('observed')
      .flatMap(({ items }) => items)
      .filter(({ activity }) => activity.image?.exe === exe)
      .reduce((sum, { count }) => sum + count, 0);

  test('only a VM whose manifest asks for it is traced', async () => {
    await install('detect');
    await wait(700);
    assert.equal(trace.isOpen, false);
    assert.equal(shown().trace, undefined);
    await traced('detect');
    assert.equal(trace.decides, false, 'nothing is asked where nothing is refused');
    await install('detect');
    await until('no trace any more', () => !trace.isOpen && shown().trace === undefined);
  });

  test('what trace and sweep both saw counts once, and time traced is not lossy', async () => {
    await traced('capture');
    for (let i = 0; i < 5; i += 1) trace.happen({ kind: 'exec', exe: '/bin/brief', argv: ['brief'], tgid: 400 + i });
    const pid = guest.spawn({ exe: '/bin/long', argv: ['long'], uid: 5 });
    trace.happen({ kind: 'exec', exe: '/bin/long', argv: ['long'], uid: 5, euid: 5, tgid: pid });
    await until('all of it', () => counted('/bin/brief') === 5 && counted('/bin/long') === 1);
    await wait(4500);
    assert.equal(counted('/bin/long'), 1);
    await until('coverage', () => manager.told('coverage').some((it) => it.observedSeconds > 2), 8000);
    const [missed, lost] = [sumOf('missed'), sumOf('lossSeconds')];
    assert.ok(missed <= 1 && lost < 1, `missed ${missed}, lost ${lost} s`);
  });

  test('what a sweep saw and the trace did not tell of is judged all the same, and counted as missed', async () => {
    await traced('capture');
    await wait(2500);
    const before = sumOf('missed');
    guest.spawn({ exe: '/bin/unseen', argv: ['unseen'] });
    await until('reported by the sweep', () => counted('/bin/unseen') === 1, 8000);
    await until('missed', () => sumOf('missed') > before, 8000);
  });

  test('a loss of the trace voids the time', async () => {
    await traced('capture');
    await wait(100);
    const before = sumOf('missed');
    trace.lose(7, 'too many stops');
    await until('seven missed', () => sumOf('missed') === before + 7, 8000);
  });

  test('block refuses what deviates, lets the rest be, and says what became of it', async () => {
    await traced('protect', [inline('block')]);
    assert.equal(await trace.attempt({ kind: 'exec', ...init }), true);
    assert.equal(await trace.attempt(evil), false);
    assert.equal(await trace.attempt(evil), false);
    await until('done', () => answers().length > 0);
    const [answer] = answers();
    assert.deepEqual(
      [answer?.state, answer?.origin, answer?.step.action, answer?.step.expect],
      ['done', 'inline', 'block', 'refused'],
    );
    assert.match(
      answer?.evidence ?? '',
      /exec of \/tmp\/evil of process 300 .* refused .*; no such event of it followed/,
    );
    const findings = manager.told('findings');
    assert.equal(findings[0]?.group, answer?.group);
    assert.equal(guest.paused, false);
    await wait(1200);
    assert.equal(answers().length, 1, 'the same attempt again is no second answer');
  });

  test('kill is done when the process was seen to end', async () => {
    await traced('protect', [inline('kill')]);
    await trace.attempt(evil);
    await until('done', () => answers().length > 0);
    assert.match(answers()[0]?.evidence ?? '', /its process ended/);
    assert.equal(answers()[0]?.state, 'done');
  });

  test('what could not be refused is judged as having happened, and is a matter for a person', async () => {
    await traced('protect', [inline('block')]);
    trace.isPowerless = true;
    assert.equal(await trace.attempt(evil), true);
    await until('told', () => manager.told('guard').some(({ what }) => what === 'refusal-failed'));
    await until('a finding', () => manager.told('findings').length === 1);
    assert.deepEqual(answers(), []);
  });

  test('hold waits for a signed answer, and refuses when none comes', async () => {
    await traced('protect', [inline('hold')]);
    const first = trace.attempt(evil);
    await until('held', () => shown().held !== undefined);
    assert.match(shown().held?.what ?? '', /\/tmp\/evil/);
    await until('alarmed', () => manager.told('findings').length === 1);
    const issuedAt = new Date().toISOString();
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const step = releaseStep('allow', vm, 'ada said so', 'o1');
    const order = { step, by: 'ada', alarm: null, issuedAt, expiresAt };
    const released = await sentinel.end.order(manager.order(order));
    assert.ok(released.ok && released.value.state === 'done', JSON.stringify(released));
    assert.equal(await first, true);
    assert.equal(shown().held, undefined);
    const again = await sentinel.end.order(manager.order({ ...order, step: releaseStep('allow', vm, 'again', 'o2') }));
    assert.ok(again.ok && again.value.state === 'failed', 'nothing is held any more');
    assert.equal(await trace.attempt(evil), false, 'nobody answered the second time');
  });

  test('a new manifest is asked at once, without a new trace', async () => {
    await traced('protect', [inline('block')]);
    assert.equal(await trace.attempt(evil), false);
    await install('protect', [{ ...inline('block'), on: 'listen' }], 'traced');
    await until('allowed now', () => trace.opened === 1);
    await wait(50);
    assert.equal(await trace.attempt(evil), true);
    await install('detect', [], 'traced');
    await until('opened anew, for reading only', () => trace.opened === 2 && trace.isOpen && !trace.decides);
  });

  test('a tracer that dies is started again; meanwhile sweeps see, and a person is told', async () => {
    await traced('detect');
    trace.trouble = problem('failed', 'No stub.');
    trace.breakOff('it was killed');
    await until('lost', () => shown().trace?.state === 'lost');
    guest.spawn({ exe: '/tmp/evil', argv: ['evil'] });
    await until('seen by a sweep', () => manager.told('findings').length > 0, 1500);
    await until('told', () => manager.told('guard').some(({ what }) => what === 'trace-lost'));
    trace.trouble = null;
    await until('tracing again', () => shown().trace?.state === 'tracing', 10_000);
  });

  test('an order on the VM finds no trace in its way, and the trace comes back when the VM runs', async () => {
    await traced('protect', [inline('block'), { ...inline('suspend'), minSeverity: 'info' }]);
    await trace.attempt(evil);
    await until('suspended', () => guest.paused);
    assert.equal(trace.isOpen, false);
    await wait(700);
    assert.equal(trace.isOpen, false, 'a paused VM is not traced');
    guest.setPaused(false);
    await until('traced again', () => trace.isOpen);
  });

  test('a VM that is migrated is left in order, and traced again when it stays', async () => {
    await traced('protect', [inline('block')]);
    guest.migrate('setup');
    await wait(300);
    assert.equal(trace.isOpen, true, 'a snapshot says that much');
    guest.migrate('active');
    await until('left', () => !trace.isOpen);
    await until('said', () => /being migrated/.test(shown().trace?.why ?? ''));
    await wait(1500);
    assert.equal(trace.opened, 1, 'it is not traced while it goes');
    assert.match(shown().trace?.why ?? '', /being migrated/);
    guest.migrate('failed');
    await until('traced again', () => trace.isOpen, 10_000);
    assert.equal(await trace.attempt(evil), false);
  });

  test('a processor that is plugged in has the trace begin anew, and what may have passed by it is a loss', async () => {
    await traced('detect');
    await wait(1200);
    const before = sumOf('lossSeconds');
    guest.processors = 2;
    await until('begun anew', () => trace.opened === 2 && trace.isOpen);
    await until('a loss', () => sumOf('lossSeconds') > before, 8000);
  });

  test('the monitor of a VM that is only followed is kept for as long', async () => {
    const leaving = new AbortController();
    const followed = followDoor(join(dir, 'sentinel.sock'), vm, leaving.signal, () => undefined);
    await until('traced', () => trace.isOpen);
    for (let looks = 0; looks < 50; looks += 1) {
      await wait(20);
      assert.equal(guest.monitors.size, 1);
    }
    assert.equal(trace.opened, 1);
    leaving.abort();
    await followed;
    await until('given back', () => guest.monitors.size === 0);
  });

  const sumOf = (field: 'missed' | 'lossSeconds'): number =>
    manager.told('coverage').reduce((sum, coverage) => sum + coverage[field], 0);

  test('what is not judged costs the guest nothing, but while somebody looks on', async () => {
    await traced('protect');
    assert.equal(trace.tellsAll, false);
    const leaving = new AbortController();
    const kinds: string[] = [];
    const followed = followDoor(join(dir, 'sentinel.sock'), vm, leaving.signal, ({ kind }) => kinds.push(kind));
    await until('all is told', () => trace.tellsAll);
    trace.happen({ kind: 'fork', childPid: 7 });
    await until('the fork', () => kinds.includes('fork'));
    leaving.abort();
    await followed;
    await until('only what is judged', () => !trace.tellsAll);
    assert.equal(trace.opened, 1, 'it is one trace');
  });
});
