// A traced service on a real guest: everything that starts is reported once, what deviates is refused inside the guest while its
// other programs go on, and an attempt is held until a person has said what is to become of it.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { becomes, statusOf } from '../../../lab/fragile-trace.ts';
import type { Guest } from '../../../lab/guest.ts';
import { bootPlainGuest } from '../../../lab/plain-guest.ts';
import { guestsOf } from '../../../lab/guests-of.ts';
import { asObject } from '../../kit/json-object.ts';
import { silentLog } from '../../kit/log.ts';
import { ok } from '../../kit/result.ts';
import type { Behaviour } from '../../model/behaviour.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { Observed } from '../../model/observation.ts';
import type { Remediation } from '../../model/remediation.ts';
import type { Rule } from '../../model/rule.ts';
import type { Vm } from '../../model/vm.ts';
import { RecordingManager } from '../../sim/recording-manager.ts';
import { releaseStep } from '../../stages/respond/steps.ts';
import { traceVm } from '../local/local-trace.ts';
import { startSentinel, type Sentinel } from '../main.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const holdMs = 8000;
/** Whatever lies in the guest's own directories may run; nothing in /tmp may, and nothing may connect or listen but on 7000. */
const allowed: readonly Behaviour[] = [
  { kind: 'process', exe: '/bin/*', argv: ['<rest>'], user: 'any', parent: '?' },
  { kind: 'process', exe: '/sbin/*', argv: ['<rest>'], user: 'any', parent: '?' },
  { kind: 'listen', exe: '?', proto: 'tcp', port: '7000' },
  { kind: 'outbound', exe: '?', proto: 'tcp', peer: 'any', port: '7000' },
  { kind: 'inbound', exe: '?', proto: 'tcp', peer: 'any', port: '7000' },
];
const inline = (action: Rule['action']): Rule => ({ on: 'any', minSeverity: 'info', action, approval: 'automatic' });

async function until(what: string | (() => string), holds: () => boolean, withinMs = 15_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!holds()) {
    const said = typeof what === 'string' ? what : what();
    assert.ok(performance.now() < deadline, `not within ${withinMs} ms: ${said}`);
    await wait(5);
  }
}

/** Children of this process that are tracers. */
function tracersOf(parent: number): readonly number[] {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').split(' ').filter(Boolean);
  return children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('tracer-main')).map(Number);
}

/** Into the first socket that is free. */
async function plugProcessor(guest: Guest): Promise<void> {
  const slots = await guest.qmp().execute('query-hotpluggable-cpus');
  assert.ok(slots.ok && Array.isArray(slots.value));
  const free = slots.value.map(asObject).find((slot) => slot?.['qom-path'] === undefined);
  const added = { driver: free?.['type'], id: 'plugged', ...asObject(free?.['props']) };
  assert.deepEqual(await guest.qmp().execute('device_add', added), ok({}));
}

suite('tracing a real guest', () => {
  const dir = mkdtempSync(join(tmpdir(), 'plumbline-tl-'));
  let guest: Guest;
  let manager: RecordingManager;
  let sentinel: Sentinel;
  let generation = 0;

  before(async () => {
    const booted = await bootPlainGuest({
      kernel: '6.1',
      name: `tracing-${process.pid}`,
      hardware: { vcpus: 2, vcpusMax: 3 },
    });
    assert.ok(booted.ok, booted.ok ? '' : booted.error.message);
    guest = booted.value;
    manager = new RecordingManager();
    const { trusted } = manager;
    const base = {
      name: 'host',
      stateDir: dir,
      trusted,
      manager,
      clock,
      log: silentLog,
      source: guestsOf(dir, [guest]),
    };
    const started = await startSentinel({ ...base, holdMs });
    assert.ok(started.ok, started.ok ? '' : started.error.message);
    sentinel = started.value;
    await until('attached', () => shown().state === 'running', 60_000);
  });
  after(async () => {
    await sentinel?.close();
    await guest?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const shown = (): Vm => sentinel.health().vms[0]?.vm ?? ({ state: 'gone' } as Vm);
  const observed = (): Observed[] => manager.told('observed').flatMap(({ items }) => items);
  const answers = (): Remediation[] => manager.told('remediations').filter((it) => it.state !== 'executing');

  async function traced(mode: Manifest['mode'], orders: readonly Rule[] = []): Promise<void> {
    generation += 1;
    const at = new Date().toISOString();
    const manifest: Manifest = {
      format: 'plumbline.manifest/1',
      vm: guest.uuid,
      vmName: guest.name,
      scope: 'shop',
      service: 'web',
      mode,
      sight: 'traced',
      generation,
      issuedAt: at,
      entries: allowed.map((behaviour, i) => ({ id: `e${i}`, behaviour, provenance: { kind: 'declared', at } })),
      orders: [...orders],
    };
    assert.deepEqual(await sentinel.end.install(manager.manifest(manifest)), ok(generation));
    // A trace that may write is another than one that may not.
    await wait(300);
    await until(
      () => `traced: ${JSON.stringify(shown())}`,
      () => shown().trace?.state === 'tracing',
      30_000,
    );
  }

  test('every short-lived program is reported once, and none is missed', async () => {
    await traced('capture');
    const { out } = await guest.run('i=0; while [ $i -lt 60 ]; do workload exit 0 $i; i=$((i+1)); done; echo done');
    assert.match(out, /done/);
    const brief = (): number =>
      observed()
        .filter(
          ({ activity }) => activity.kind === 'process' && activity.image.argv.join(' ').startsWith('workload exit'),
        )
        .reduce((sum, { count }) => sum + count, 0);
    await until(
      () => `60 of ${brief()}`,
      () => brief() >= 60,
    );
    await wait(4000);
    assert.equal(brief(), 60);
    const { missed, lossSeconds } = manager
      .told('coverage')
      .reduce((a, b) => ({ ...b, missed: a.missed + b.missed, lossSeconds: a.lossSeconds + b.lossSeconds }));
    assert.ok(missed <= 2 && lossSeconds < 3, `missed ${missed}, lost ${lossSeconds} s`);
  });

  test('block refuses a program, a listener and a connection, and leaves the rest alone', async () => {
    await traced('protect', [inline('block')]);
    const { out } = await guest.run(
      'cp /bin/workload /tmp/evil; workload exit 0 fine && echo ran-fine; /tmp/evil exit 0 x && echo ran-evil; ' +
        'printf "#!/bin/sh\\necho ran-script\\n" > /tmp/job; chmod +x /tmp/job; /tmp/job; ' +
        'workload pair 7000 & workload pair 7009 & sleep 1; netstat -ltn; echo end',
    );
    assert.match(out, /ran-fine/);
    assert.doesNotMatch(out, /ran-evil/);
    assert.match(out, /ran-script/, 'a script is judged by its interpreter, which may run anything here');
    assert.match(out, /:7000/);
    assert.doesNotMatch(out, /:7009/);
    assert.match(out, /end/);
    await until(
      () => `answered: ${JSON.stringify(answers())}`,
      () => answers().length >= 2,
    );
    for (const { state, origin, evidence } of answers())
      assert.deepEqual([state, origin], ['done', 'inline'], evidence);
    assert.ok(answers().some(({ evidence }) => evidence.includes('exec of /tmp/evil')));
    assert.ok(manager.told('findings').some(({ deviation }) => deviation.activity.image?.exe === '/tmp/evil'));
    assert.deepEqual(
      manager.told('guard').filter(({ what }) => what !== 'trace-lost'),
      [],
    );
    assert.equal((await guest.run('echo alive; dmesg | grep -c WARNING')).out.includes('alive'), true);
  });

  test('hold lets the guest stand until a person has answered', async () => {
    await traced('protect', [inline('hold')]);
    const running = guest.run('/tmp/evil exit 0 held && echo ran-held; echo over', 60_000);
    await until('held', () => shown().held !== undefined);
    const issuedAt = new Date().toISOString();
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const step = releaseStep('allow', guest.uuid, 'ada said so', 'o1');
    const order = manager.order({ step, by: 'ada', alarm: null, issuedAt, expiresAt });
    const released = await sentinel.end.order(order);
    assert.ok(released.ok && released.value.state === 'done', JSON.stringify(released));
    assert.match((await running).out, /ran-held\n.*over/);
    const refused = await guest.run('/tmp/evil exit 0 late && echo ran-late; echo over', 60_000);
    assert.doesNotMatch(refused.out, /ran-late/, 'nobody answered in time');
    assert.match(refused.out, /over/);
  });

  test('a tracer that is killed leaves the guest running, and refuses again a moment later', async () => {
    await traced('protect', [inline('block')]);
    const [tracer] = tracersOf(process.pid);
    assert.ok(tracer !== undefined);
    process.kill(tracer, 'SIGKILL');
    const beganMs = performance.now();
    assert.match((await guest.run('workload exit 0 after && echo alive')).out, /alive/);
    assert.ok(performance.now() - beganMs < 5000);
    await until('another tracer', () => tracersOf(process.pid).some((pid) => pid !== tracer));
    await until(
      () => `traced again: ${JSON.stringify(shown())}`,
      () => shown().trace?.state === 'tracing',
      30_000,
    );
    assert.doesNotMatch((await guest.run('/tmp/evil exit 0 again && echo ran-evil; echo over')).out, /ran-evil/);
  });

  test('a person follows the trace that runs already', async () => {
    const stop = new AbortController();
    const lines: string[] = [];
    const following = traceVm(guest.name, {
      stateDir: dir,
      clock,
      stop: stop.signal,
      forMs: null,
      onLine: (line) => lines.push(line.kind === 'loss' ? line.reason : `${line.kind} ${line.argv?.join(' ') ?? ''}`),
    });
    await wait(500);
    await guest.run('workload exit 0 followed');
    await until('followed', () => lines.includes('exec workload exit 0 followed'));
    stop.abort();
    const followed = await following;
    assert.ok(followed.ok);
    assert.ok(followed.value.summary.counts.exec >= 2);
    // A busy test machine may make the trace rest, which it then says.
    const said = lines.filter((line) => line.startsWith('the guest did more')).length;
    assert.equal(followed.value.summary.losses, said, lines.join(' | '));
    assert.equal(followed.value.brokeOff, null);
  });

  test('a processor that is plugged in is traced too, and what it did before is a loss', async () => {
    await traced('capture');
    const counted = (word: string): number =>
      observed().filter(({ activity }) => activity.kind === 'process' && activity.image.argv.includes(word)).length;
    const lossSeconds = (): number => manager.told('coverage').reduce((sum, coverage) => sum + coverage.lossSeconds, 0);
    const before = lossSeconds();
    await plugProcessor(guest);
    const online = 'echo 1 > /sys/devices/system/cpu/cpu2/online; cat /sys/devices/system/cpu/online';
    const isThere = async (): Promise<boolean> => (await guest.run(online)).out.trim() === '0-2';
    assert.ok(await becomes(isThere, 20_000));
    await until('a loss', () => lossSeconds() > before);
    await until(
      () => `traced again: ${JSON.stringify(shown())}`,
      () => shown().trace?.state === 'tracing',
      30_000,
    );
    for (let i = 0; i < 10; i += 1) await guest.run(`busybox taskset 4 workload exit 0 third-${i}`);
    const seen = (): number => Array.from({ length: 10 }, (_, i) => counted(`third-${i}`)).filter((n) => n > 0).length;
    await until(
      () => `ten of ${seen()}`,
      () => seen() === 10,
    );
  });

  test('a VM that is migrated away is left first, and traced again when it runs here after all', async () => {
    await traced('detect');
    await guest.qmp().hmp('migrate -d "exec:cat > /dev/null"');
    await until(
      () => `left: ${JSON.stringify(shown())}`,
      () => /being migrated/.test(shown().trace?.why ?? ''),
    );
    const went = async (): Promise<boolean> => (await statusOf(guest)) === 'postmigrate';
    assert.ok(await becomes(went, 60_000), await statusOf(guest));
    await wait(500);
    assert.ok(await went(), 'it was made to run again');
    await guest.qmp().execute('cont');
    await until(
      () => `traced again: ${JSON.stringify(shown())}`,
      () => shown().trace?.state === 'tracing',
      40_000,
    );
  });

  test('the sentinel leaves no stub behind', async () => {
    await sentinel.close();
    const devices = await guest.qmp().execute('query-chardev');
    assert.doesNotMatch(JSON.stringify(devices), /"label":"gdb"/);
    assert.match((await guest.run('echo alive')).out, /alive/);
  });
});
