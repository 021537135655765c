// Changes and entries that wait, as a person at a shell goes about them: through a real manager, with a sentinel without guests.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fail } from '../kit/result.ts';
import { problem } from '../kit/problem.ts';
import { startTrial, type Trial } from '../manager/trial.ts';
import { at, findingOf, observed, runningVm, started, vmId } from '../sim/simulated-activity.ts';
import { makeSimulatedSentinel, type SimulatedSentinel } from '../sim/simulated-sentinel.ts';
import { connectManager, consoleLink } from './connect-manager.ts';
import { realPrograms } from './real-programs.ts';
import { runCommandLine } from './run.ts';
import type { Shell } from './shell.ts';
import { verbs } from './verbs/verbs.ts';

let trial: Trial;
let sentinel: SimulatedSentinel;

before(async () => {
  trial = await startTrial();
  sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  trial.manager.attachSentinel(sentinel);
  await tell({ vms: [runningVm(1, 'web1'), runningVm(2, 'idle')] });
  for (const typed of ['scope create shop', 'service create shop/web', 'member add shop/web web1']) await done(typed);
  const seen = [
    ['/usr/bin/ls', 'ls'],
    ['/tmp/miner', 'miner'],
    ['/dev/shm/other', 'other'],
  ] as const;
  const items = seen.map(([exe, argv], i) => observed(started(vmId(1), exe, [argv], i)));
  const coverage = [{ vm: vmId(1), observedSeconds: 600, lossSeconds: 0, missed: 0 }];
  await tell({ observed: [{ vm: vmId(1), items }], coverage });
});
after(async () => await trial.end());

async function tell(parts: Parameters<SimulatedSentinel['batch']>[0]): Promise<void> {
  assert.ok((await trial.manager.end.deliver(sentinel.batch(parts))).ok);
}

async function plumbline(typed: string): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const output = (to: 'out' | 'err') => ({
    write: (text: string) => void (said[to] += text),
    isTerminal: false,
    width: 200,
  });
  const shell: Shell = {
    env: { PLUMBLINE_STATE: trial.stateDir },
    user: { name: 'alice', uid: 1000, home: '/home/alice' },
    out: output('out'),
    err: output('err'),
    stop: new AbortController().signal,
    programs: realPrograms,
    connect: connectManager,
    consoleLink,
    readText: (path) => Promise.resolve(fail(problem('not-found', `There is no file ${path}.`))),
  };
  return { code: await runCommandLine(typed.split(' '), shell, verbs), ...said };
}

async function done(typed: string): Promise<string> {
  const { code, out, err } = await plumbline(typed);
  assert.equal(code, 0, `${typed}: ${err}`);
  return out;
}

async function refused(typed: string, code: number): Promise<string> {
  const answered = await plumbline(typed);
  assert.deepEqual([answered.code, answered.out], [code, ''], `${typed}: ${answered.err}`);
  return answered.err;
}

const wordBefore = (text: string, what: RegExp): string =>
  text
    .split('\n')
    .find((line) => what.test(line))
    ?.trim()
    .split(/\s+/)[0] ?? assert.fail(`no ${what} in ${text}`);

test('a capture says what is known, how surely, and what a day would still show', async () => {
  const status = await done('capture status shop');
  assert.match(status, /shop is in capture\nshop\/web\n {2}learned {2}3 behaviours/);
  assert.match(status, /process {2}3 known of about \d+; the next one is new with 100\.0 %/);
  // Ten minutes are 3 / (600 / 86400) = 432 a day at the least.
  assert.match(status, /forecast 432 new behaviours a day \(\d+ to \d+\), from 0\.0 member-days/);
  assert.match(await done('capture shop --until risk<=9000/hour'), /forecast/);
  assert.match(await refused('capture shop --until soon', 2), /is no risk/);
  assert.match(await refused('capture shop --until risk<=1/day --for 1s', 2), /cannot be meant together/);
});

test('what would alarm is said before anything is judged', async () => {
  const preview = await plumbline('protect shop --preview');
  assert.equal(preview.code, 1);
  assert.match(
    preview.out,
    /nothing was changed\nshop\/web\n {2}3 judged from .* 2 deviations in 2 alarms[^]*\/tmp\/miner/,
  );
  assert.match(await refused('protect shop --learned-until yesterday', 2), /takes a time, with --preview/);
});

test('what was learned and looks like an attack waits until somebody decides', async () => {
  assert.match(await done('protect shop'), /2 of the learned entries are doubtful and wait for a person/);
  const held = await done('manifest held shop/web');
  assert.match(held, /\/tmp\/miner.*lies where everybody may write/);
  assert.match(
    await done(`manifest accept ${wordBefore(held, /miner/)}`),
    /accepted .*\/tmp\/miner[^]*issued {3}manifest of web1/,
  );
  assert.match(await done(`manifest reject ${wordBefore(held, /other/)}`), /rejected .*\/dev\/shm\/other/);
  assert.equal(await done('manifest held'), 'No entry waits.\n');
  assert.match(
    await done('manifest held --all'),
    /accepted by alice[^]*rejected by alice|rejected by alice[^]*accepted by alice/,
  );
  const manifest = await done('manifest show web1');
  assert.match(manifest, /\/tmp\/miner.*approved by alice/);
  assert.doesNotMatch(manifest, /\/dev\/shm\/other/);
});

test('an entry says what it admits and what it rests on', async () => {
  const id = wordBefore(await done('manifest show web1'), /\/usr\/bin\/ls/);
  assert.match(
    await done(`manifest explain web1 ${id}`),
    /from {5}learned 1x[^]*It admits this one thing only[^]*1 time on 1 member/,
  );
  assert.match(await refused('manifest explain web1 nothing', 3), /no entry nothing/);
});

test('a declared change is opened, shown where people look, and closed', async () => {
  const opened = await done('change open web1 --packages nginx,jq --files /opt/shop/serve --ports 8080 --minutes 5');
  assert.match(
    opened,
    /is open\ndeclared by alice for web1 of shop\/web\nbrings nginx jq \/opt\/shop\/serve port 8080/,
  );
  assert.match(await done('vms'), /web1: being changed \(declared, /);
  const list = await done('change list --open');
  const id = wordBefore(list, /shop\/web/);
  const finding = { ...findingOf(started(vmId(1), '/usr/sbin/nginx', ['nginx'], 9), 'g'), risk: 41 };
  const change = sentinel.manifests.get(vmId(1))?.changes?.[0]?.id ?? '';
  assert.ok(change.startsWith(id));
  await tell({ admitted: [{ change, finding, count: 2, lastAt: at(9) }] });
  assert.match(
    await done(`change show ${id}`),
    /admitted 1 behaviour, 2 times, risk up to 41\n1 behaviour of them wait/,
  );
  await tell({ findings: [findingOf(started(vmId(1), '/usr/sbin/nginx', ['nginx'], 99), 'later')] });
  const alarm = wordBefore(await done('alarms'), /nginx/);
  assert.match(await done(`alarm ${alarm}`), /Admitted before:\n {2}by change /);
  assert.match(await done(`manifest accept --change ${id}`), /accepted .*nginx/);
  assert.match(await done(`change close ${id}`), /is closed[^]*closed by alice/);
  assert.match(await done('change list --open'), /No changes/);
});

test('alarms of one happening are one incident, with the tree of what led to what', async () => {
  const shell = { ...started(vmId(1), '/bin/sh', ['sh'], 900), pid: 700, ppid: 1 };
  const tool = { ...started(vmId(1), '/tmp/tool', ['tool'], 901), pid: 701, ppid: 700 };
  await tell({ findings: [findingOf(shell, 'shell'), findingOf(tool, 'tool', { risk: 90, severity: 'critical' })] });
  const listed = await done('incidents --vm web1');
  const id = wordBefore(listed, /\/tmp\/tool/);
  assert.match(
    await done(`incident ${id}`),
    /risk 90 of 100[^]*\/bin\/sh: sh[^]*\n.* {4}it started: .*\/tmp\/tool: tool/,
  );
  assert.match(await refused('incident ffff0000ffff', 3), /No open alarm/);
});

test('what cannot be meant is refused with a word on what can', async () => {
  assert.match(await refused('change open --packages x', 2), /one VM or of one service/);
  assert.match(await refused('change open idle --packages x', 5), /in no service/);
  assert.match(await refused('change open web1', 2), /brings packages or programs/);
  assert.match(await refused('change open web1 --files bin/x', 2), /whole paths/);
  assert.match(await refused('change open web1 --packages x --minutes 2000', 2), /1 to 1440/);
  assert.match(await refused('change open web1 --packages x --ports none', 2), /1 to 65535/);
  assert.match(await refused('change close nothing', 3), /no change nothing/);
  assert.match(await refused('manifest accept', 2), /Name the entries/);
  assert.match(await refused('manifest accept feedbeef', 3), /No entry feedbeef/);
});
