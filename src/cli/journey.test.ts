// The whole way of a user through a real manager, with a sentinel that has no guests: what each verb answers, and its exit code.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { silentLog } from '../kit/log.ts';
import { fail, ok } from '../kit/result.ts';
import { problem } from '../kit/problem.ts';
import { isoTime } from '../kit/clock.ts';
import type { AlarmDetail, Allowance } from '../model/alarm-detail.ts';
import type { Scope } from '../model/application.ts';
import type { Alarm } from '../model/alarm.ts';
import type { PlanRun } from '../model/plan.ts';
import type { SealedManifest } from '../model/manifest.ts';
import type { VmView } from '../model/vm-view.ts';
import { startManager, type Manager } from '../manager/main.ts';
import { at, findingOf, observed, runningVm, started, vmId } from '../sim/simulated-activity.ts';
import { makeSimulatedSentinel, type SimulatedSentinel } from '../sim/simulated-sentinel.ts';
import { connectManager, consoleLink } from './connect-manager.ts';
import { realPrograms } from './real-programs.ts';
import { runCommandLine } from './run.ts';
import type { Shell } from './shell.ts';
import { systemClock } from './system-clock.ts';
import { verbs } from './verbs/verbs.ts';

const stateDir = mkdtempSync(join(tmpdir(), 'plumbline-cli-'));
const shopYaml = join(stateDir, 'shop.yaml');
const web = vmId(1);
let manager: Manager;
let sentinel: SimulatedSentinel;

before(async () => {
  const begun = await startManager({
    stateDir,
    configuration: { api: { port: 0 } },
    version: '0.0.0',
    clock: systemClock,
    log: silentLog,
  });
  assert.ok(begun.ok);
  manager = begun.value;
  sentinel = makeSimulatedSentinel('host1', manager.trust, () => isoTime(systemClock.now()));
  manager.attachSentinel(sentinel);
  await tell({ vms: [runningVm(1, 'web1'), runningVm(2, 'db1')] });
});

after(async () => {
  await manager.close();
  rmSync(stateDir, { recursive: true, force: true });
});

async function tell(parts: Parameters<SimulatedSentinel['batch']>[0]): Promise<void> {
  const delivered = await manager.end.deliver(sentinel.batch(parts));
  assert.ok(delivered.ok);
}

async function plumbline(
  typed: string,
  { json = true, stop = new AbortController().signal, heard = (text: string): unknown => text } = {},
) {
  const said = { out: '', err: '' };
  const output = (to: 'out' | 'err') => ({
    write: (text: string) => {
      said[to] += text;
      if (to === 'out') heard(text);
    },
    isTerminal: false,
    width: json ? null : 100,
  });
  const shell: Shell = {
    env: { PLUMBLINE_STATE: stateDir },
    user: { name: 'alice', uid: 1000, home: '/home/alice' },
    out: output('out'),
    err: output('err'),
    stop,
    programs: realPrograms,
    connect: connectManager,
    consoleLink,
    readText: async (path) =>
      await readFile(path, 'utf8').then(ok, () => fail(problem('not-found', `There is no file ${path}.`))),
  };
  const code = await runCommandLine([...typed.split(' '), ...(json ? ['--json'] : [])], shell, verbs);
  return { code, ...said };
}

/** Runs a verb that should do, and gives what its JSON says. */
async function done<T = unknown>(typed: string): Promise<T> {
  const { code, out, err } = await plumbline(typed);
  assert.equal(code, 0, `${typed}: ${err}`);
  assert.match(out, /^[^\n]+\n$/, 'exactly one value on one line');
  return JSON.parse(out) as T;
}

/** Runs a verb that should not, and gives the problem. */
async function refused(typed: string, expected: number): Promise<{ kind: string; message: string; mend?: string }> {
  const { code, out, err } = await plumbline(typed);
  assert.deepEqual([code, out], [expected, ''], `${typed}: ${err}`);
  return JSON.parse(err) as { kind: string; message: string };
}

test('a scope is declared, and declaring it again changes nothing', async () => {
  writeFileSync(shopYaml, 'scopes:\n  - name: shop\n    services:\n      - name: web\n        members: [web1, web2]\n');
  const changes = async (typed: string) => (await done<{ changes: unknown[] }>(typed)).changes.length;
  assert.equal(await changes(`apply -f ${shopYaml} --preview`), 4);
  assert.deepEqual(await done('scope list'), []);
  assert.equal(await changes(`apply -f ${shopYaml}`), 4);
  assert.equal(await changes(`apply -f ${shopYaml}`), 0);
  assert.match((await refused('apply -f nowhere.yaml', 3)).message, /nowhere\.yaml/);
});

test('scopes, services, members and rules are made by hand', async () => {
  await done('scope create lab --description a-lab');
  assert.match((await refused('scope create lab', 5)).message, /lab/);
  await refused('scope create NotAName', 2);
  await done('service create lab/db');
  await done('member add lab/db db1');
  await refused('member add lab/none db1', 3);
  assert.equal((await done<unknown[]>('service rules lab/db --add any,serious,suspend')).length, 1);
  assert.equal(
    (await done<unknown[]>('service rules lab/db --clear --add process,critical,snapshot,automatic')).length,
    1,
  );
  assert.deepEqual(
    (await done<VmView[]>('vms')).map(({ name, scope }) => [name, scope]),
    [
      ['db1', 'lab'],
      ['web1', 'shop'],
    ],
  );
  await done('member remove lab/db db1');
  await done('service delete lab/db');
  await done('scope delete lab');
  await refused('scope show lab', 3);
});

test('what nobody has learned is not frozen; what was learned is, signed and verifiable', async () => {
  await refused('protect shop', 5);
  await done('capture shop --for 10ms');
  const nginx = started(web, '/usr/sbin/nginx', ['nginx']);
  await tell({
    observed: [{ vm: web, items: [observed(nginx, 5)] }],
    coverage: [{ vm: web, observedSeconds: 600, lossSeconds: 0, missed: 0 }],
  });
  const shown = await done<Scope & { learning: unknown[] }>('scope show shop');
  assert.equal(shown.learning.length, 1);
  await done('protect shop');
  while (sentinel.manifests.get(web)?.mode !== 'protect') await sleep(5);

  const sealed = await done<SealedManifest>('manifest show web1 --sealed');
  const file = join(stateDir, 'sealed.json');
  writeFileSync(file, JSON.stringify(sealed));
  const report = await done<{ verified: boolean; entries: number; generation: number }>(`manifest verify ${file}`);
  assert.deepEqual([report.verified, report.entries], [true, 1]);
  assert.deepEqual(await done(`manifest verify web1`), report);
  const payload = Buffer.from(sealed.payload, 'base64').toString().replace('nginx', 'nginy');
  writeFileSync(file, JSON.stringify({ ...sealed, payload: Buffer.from(payload).toString('base64') }));
  await refused(`manifest verify ${file}`, 5);
  await refused(`manifest verify ${shopYaml}`, 4);
  await refused('manifest verify nobody', 3);
  await refused('manifest show web1 --generation 999', 3);
  assert.equal((await done<unknown[]>('manifest list web1')).length, report.generation);
  assert.deepEqual((await done<{ added: unknown[] }>('manifest diff web1')).added.length, 1);
});

test('an alarm is explained, answered, allowed and gone', async () => {
  await refused('alarm 3f2a', 3);
  const shell = started(web, '/bin/sh', ['sh', '-c', 'id\u001b[2J'], 90);
  const open = new AbortController();
  const followed: string[] = [];
  const following = plumbline('alarms --follow', { stop: open.signal, heard: (line) => followed.push(line) });
  await sleep(50);
  await tell({ findings: [findingOf(shell, 'group1')] });
  const [alarm] = (await done<{ items: Alarm[] }>('alarms --severity serious')).items;
  assert.ok(alarm !== undefined);
  const start = alarm.id.slice(0, 6);
  assert.equal((await done<AlarmDetail>(`alarm ${start}`)).alarm.id, alarm.id);
  assert.deepEqual((await done<{ items: Alarm[] }>('alarms --scope lab')).items, []);

  const answered = await done<{ state: string }>(`respond ${start} suspend`);
  assert.equal(answered.state, 'done');
  sentinel.answer('unconfirmed', 'still running');
  assert.equal((await plumbline(`respond ${start} resume`)).code, 1);
  const doubtful = (await done<{ items: Alarm[] }>('alarms')).items.find(({ kind }) => kind === 'guard');
  assert.match(doubtful?.title ?? '', /Nobody can say whether an answer took effect: resume: still running/);
  await done(`close ${doubtful?.id}`);

  const planned = await done<{ proposals: unknown[] }>(`plan ${start} power-off`);
  assert.equal(planned.proposals.length, 1);
  assert.match((await plumbline(`plan ${start} power-off`, { json: false })).out, /1\. snapshot: [^]*2\. power-off: /);
  const [asked] = (await done<{ items: PlanRun[] }>('plans')).items;
  assert.ok(asked !== undefined && asked.state === 'unconfirmed');
  assert.match((await refused(`approve ${asked.plan.id.slice(0, 8)}`, 5)).message, /waits for nobody/);
  sentinel.answer('done', 'as asked');
  const undone = await plumbline(`undo ${asked.plan.id.slice(0, 8)}`, { json: false });
  assert.match(undone.out, /taken back by alice/, undone.err);
  assert.match((await plumbline('rules', { json: false })).out, /shop\/web \(protect\)/);

  const preview = await done<Allowance>(`allow ${start} --preview`);
  assert.equal(preview.preview, true);
  assert.equal((await done<{ items: Alarm[] }>('alarms')).items.length, 1);
  await done(`allow ${start}`);
  assert.deepEqual((await done<{ items: Alarm[] }>('alarms')).items, []);
  const all = (await done<{ items: Alarm[] }>('alarms --status all')).items;
  assert.deepEqual(all.map(({ kind, status }) => `${kind} ${status}`).toSorted(), [
    'deviation allowed',
    'guard closed',
  ]);
  assert.equal((await done<{ total: number }>('remediations')).total, 3);

  await sleep(50);
  open.abort();
  assert.equal((await following).code, 130);
  const lines = followed.map((line) => JSON.parse(line) as Alarm);
  assert.deepEqual([lines[0]?.status, lines.at(-1)?.status], ['open', 'allowed']);
});

test('what was recorded is held against the manifest: 1 when it would have alarmed', async () => {
  const event = (exe: string) =>
    JSON.stringify({
      ts: at(5),
      host: web,
      kind: 'process_start',
      exe,
      argv: ['nginx'],
      uid: 33,
      parentExe: '/usr/sbin/apache2',
    });
  const day = join(stateDir, 'day.ndjson');
  writeFileSync(day, `${event('/usr/sbin/nginx')}\n`);
  await done(`replay ${day} --vm web1`);
  writeFileSync(day, `${event('/usr/sbin/nginx')}\n${event('/tmp/x')}\n`);
  const manifest = join(stateDir, 'manifest.json');
  writeFileSync(manifest, (await plumbline('manifest show web1')).out);
  const { code, out } = await plumbline(`replay ${day} --manifest ${manifest}`);
  assert.equal(code, 1);
  assert.equal((JSON.parse(out) as { deviations: number }).deviations, 1);
  await refused(`replay ${day} --manifest ${shopYaml}`, 4);
  await refused(`replay ${join(stateDir, 'none.ndjson')} --vm web1`, 3);
});

/** What a person reads of each: some words that must be there. */
const read: readonly (readonly [string, RegExp])[] = [
  ['status', /1 in protect[^]*sentinel {3}host1: attached/],
  ['vms', /^VM +STATE[^]*\nweb1 +running/],
  ['scope list', /shop +protect +web/],
  ['scope show shop', /shop is in protect[^]*learned {2}2 behaviours, watched 10m/],
  ['service list', /shop\/web/],
  ['service rules shop/web', /rules {4}none/],
  ['member list shop', /web2 +shop\/web +awaited/],
  ['manifest show web1', /seal {8}holds[^]*\/usr\/sbin\/nginx/],
  ['manifest list web1', /GENERATION +ISSUED[^]*mode protect/],
  ['manifest diff web1', /1 added, 0 removed, 1 unchanged/],
  ['alarms --status all', /critical +75 +allowed/],
  ['remediations', /suspend +done +alice/],
  ['audit --limit 3', /SEQ +AT \(UTC\)[^]*more: raise --limit/],
];

test('people get tables that fit, and nothing a guest wrote reaches the terminal as it is', async () => {
  for (const [typed, expected] of read) {
    const { code, out, err } = await plumbline(typed, { json: false });
    assert.equal(code, 0, err);
    assert.match(out, expected, typed);
    // oxlint-disable-next-line no-control-regex -- what is looked for
    assert.doesNotMatch(out, /[\u0000-\u0009\u000b-\u001f\u007f]/, typed);
  }
  const alarm = (await done<{ items: Alarm[] }>('alarms --status all')).items.find(({ kind }) => kind === 'deviation');
  const { out } = await plumbline(`alarm ${alarm?.id}`, { json: false });
  assert.match(out, /id\\x1b\[2J/);
  assert.match(out, /Why this risk:\n {3}\+75 {2}never allowed/);
});

test('without a manager each verb says how to start one', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'plumbline-none-'));
  for (const typed of ['status', 'alarms', 'protect shop', 'scope list']) {
    const { kind, message, mend } = await refused(`${typed} --state ${empty}`, 1);
    assert.equal(kind, 'failed');
    assert.match(message, /^No manager runs with the state directory/);
    assert.match(mend ?? '', /plumbline up/);
  }
  rmSync(empty, { recursive: true });
});
