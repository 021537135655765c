// From words to calls to exit codes: what each verb asks of the manager or a program, and how each kind of answer is said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problem, type ProblemKind } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type { Client } from '../client/connect.ts';
import type { Programs } from './programs.ts';
import { runCommandLine } from './run.ts';
import type { Shell } from './shell.ts';
import { verbs } from './verbs/verbs.ts';

interface Recorded {
  readonly code: number;
  readonly calls: readonly string[];
  readonly out: string;
  readonly err: string;
}

interface World {
  /** What the manager and the programs answer, by the name of the call. */
  readonly answers?: Readonly<Record<string, Result<unknown>>>;
  readonly manager?: Result<never>;
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Shell['env'];
  readonly stop?: AbortSignal;
  readonly width?: number;
}

/** Runs a command line in a world that answers as it is told and remembers what was asked. */
async function recorded(argv: readonly string[], world: World = {}): Promise<Recorded> {
  const calls: string[] = [];
  const said = { out: '', err: '' };
  const answering = (about: string) =>
    new Proxy(
      {},
      {
        get: (_, name) =>
          name === 'then'
            ? undefined
            : (...given: unknown[]) => {
                calls.push([`${about}${String(name)}`, ...given.map((value) => JSON.stringify(value))].join(' '));
                return Promise.resolve(world.answers?.[String(name)] ?? fail(problem('failed', 'recorded only')));
              },
      },
    );
  const output = (to: 'out' | 'err') => ({
    write: (text: string) => void (said[to] += text),
    isTerminal: world.width !== undefined,
    width: world.width ?? null,
  });
  const shell: Shell = {
    env: { PLUMBLINE_STATE: '/state', PLUMBLINE_RUN: '/meet', ...world.env },
    user: { name: 'root', uid: 0, home: '/root' },
    out: output('out'),
    err: output('err'),
    stop: world.stop ?? new AbortController().signal,
    programs: answering('start ') as Programs,
    connect: (stateDir, { by }) => {
      if (stateDir !== '/state' || by !== 'root') calls.push(`connect ${stateDir} by ${by}`);
      return Promise.resolve(world.manager ?? ok(answering('') as Client));
    },
    consoleLink: () => Promise.resolve(ok('http://127.0.0.1:7420/?token=x')),
    readText: (path) => {
      const text = world.files?.[path];
      return Promise.resolve(text === undefined ? fail(problem('not-found', `There is no file ${path}.`)) : ok(text));
    },
  };
  const code = await runCommandLine(argv, shell, verbs);
  return { code, calls, ...said };
}

const shop = 'scopes:\n  - name: shop\n';
const service = { name: 'web', description: '', members: [], awaited: [], rules: [] };
const scope = { name: 'shop', description: '', mode: 'capture', services: [service] };
const alarm = {
  id: '3f2a00000001',
  kind: 'deviation',
  vm: 'v',
  vmName: 'web1',
  scope: 'shop',
  service: 'web',
  title: 't',
};
const open = {
  ...alarm,
  severity: 'serious',
  risk: 60,
  status: 'open',
  firstAt: 'a',
  lastAt: 'b',
  count: 1,
  group: 'g',
};
const detail = { alarm: open, activities: [], activitiesDropped: 0, remediations: [], pending: [], settled: null };

/** What was typed, and what is asked because of it. */
const grammar: readonly (readonly [string, readonly string[]])[] = [
  ['vms', ['listVms', 'start listVms "/state"']],
  ['--state /other vms', ['connect /other by root', 'listVms', 'start listVms "/other"']],
  ['vms --state /other', ['connect /other by root', 'listVms', 'start listVms "/other"']],
  ['ps web1', ['start ps "/state" "web1" {"threads":false}']],
  ['ps web1 --threads --json', ['start ps "/state" "web1" {"threads":true}']],
  ['sockets 4711', ['start sockets "/state" "4711"']],
  ['trace web1 --for 90', ['start trace "/state" "web1" {"stop":{},"forMs":90000}']],
  ['integrity web1', ['start integrity "/state" "web1" null']],
  ['integrity web1 --baseline /boot/vmlinuz', ['start integrity "/state" "web1" "/boot/vmlinuz"']],
  ['hash web1 712', ['start hash "/state" "web1" 712']],
  ['selftest', ['start selftest "/state" {"vm":null,"refuse":null,"stop":{}}']],
  ['held', ['listVms']],
  ['release web1 block', ['releaseVm {"vm":"web1","answer":"block"}']],
  ['status', ['status']],
  ['scope list', ['listScopes']],
  ['scope show shop', ['getScope {"scope":"shop"}']],
  ['scope create shop', ['createScope {"name":"shop"}']],
  ['scope create shop --description the-shop', ['createScope {"name":"shop","description":"the-shop"}']],
  ['scope delete shop', ['deleteScope {"scope":"shop"}']],
  ['service list', ['listScopes']],
  ['service list shop', ['getScope {"scope":"shop"}']],
  ['service propose', ['proposeServices {}']],
  ['service propose --scope shop', ['proposeServices {"scope":"shop"}']],
  ['service create shop/web', ['createService {"scope":"shop","name":"web"}']],
  ['service set shop/web --sight traced', ['changeService {"scope":"shop","service":"web","sight":"traced"}']],
  ['service delete shop/web', ['deleteService {"scope":"shop","service":"web"}']],
  ['service rules shop/web', ['getScope {"scope":"shop"}']],
  ['member list', ['listScopes']],
  ['member add shop/web web1 web2', ['addMember {"scope":"shop","service":"web","vm":"web1"}']],
  ['member remove shop/web web1', ['removeMember {"scope":"shop","service":"web","vm":"web1"}']],
  ['calls', ['listCalls']],
  ['apply -f shop.yaml', ['apply {"declaration":{"scopes":[{"name":"shop"}]}}']],
  [
    'apply --file - --prune --preview',
    ['apply {"declaration":{"scopes":[{"name":"shop"}]},"prune":true,"preview":true}'],
  ],
  ['capture shop', ['setMode {"scope":"shop","mode":"capture"}']],
  ['capture status shop', ['learning {"scope":"shop"}']],
  ['detect shop', ['setMode {"scope":"shop","mode":"detect"}']],
  ['protect shop --preview', ['replayScope {"scope":"shop"}']],
  ['protect shop --force', ['setMode {"scope":"shop","mode":"protect","force":true}']],
  ['manifest show web1', ['getManifest {"vm":"web1"}']],
  ['manifest show web1 --generation 3', ['getManifest {"vm":"web1","generation":3}']],
  ['manifest explain web1 3f2a', ['explainEntry {"vm":"web1","entry":"3f2a"}']],
  ['manifest list web1', ['listGenerations {"vm":"web1"}']],
  ['manifest diff web1 --from 1 --to 2', ['diffManifest {"vm":"web1","from":1,"to":2}']],
  ['manifest verify web1', ['getManifest {"vm":"web1"}']],
  ['manifest verify m.json', ['start verifyManifest "/state" {"payload":"x"} null']],
  ['manifest held shop/web --all', ['listHeld {"scope":"shop","service":"web","decided":true}']],
  ['manifest retire shop', ['unusedEntries {"scope":"shop"}']],
  [
    'manifest retire shop --service web --after 60 --replay 10',
    ['unusedEntries {"scope":"shop","service":"web","afterDays":60,"replayDays":10}'],
  ],
  ['manifest accept 3f2a', ['listHeld {"decided":true}']],
  ['change list --vm web1 --open', ['listChanges {"vm":"web1","open":true}']],
  ['change close 3f2a', ['listChanges']],
  [
    'change open --service shop/web --packages nginx,jq --minutes 10',
    ['openChange {"scope":"shop","service":"web","packages":["nginx","jq"],"programs":[],"ports":[],"minutes":10}'],
  ],
  ['alarms', ['listAlarms {"status":"open","limit":100}']],
  [
    'alarms --scope shop --status all --severity serious --limit 5',
    ['listAlarms {"scope":"shop","minSeverity":"serious","limit":5}'],
  ],
  ['incidents --vm web1', ['listIncidents {"vm":"web1"}']],
  ['remediations --vm web1', ['listRemediations {"vm":"web1","limit":100}']],
  ['audit --limit 10', ['listAudit {"limit":10}']],
  ['replay day.ndjson --vm web1', ['getManifest {"vm":"web1"}']],
  [
    'evaluate --learn a b.gz --test c --poison 0.05 --seed 3',
    ['start evaluate {"learn":["a","b.gz"],"test":["c"],"poison":{"share":0.05,"seed":3}}'],
  ],
  [
    'up --port 0 --config c.yaml --flows',
    ['start serve {"stateDir":"/state","runDirectory":"/meet","port":0,"configFile":"c.yaml","flows":true}'],
  ],
  ['up --bridges nwfilter', ['start serve {"stateDir":"/state","runDirectory":"/meet","bridgeEnforcer":"nwfilter"}']],
];

test('every verb asks for what it says', async () => {
  const files = { 'shop.yaml': shop, '-': shop, 'm.json': '{"manifest":{},"sealed":{"payload":"x"}}' };
  for (const [typed, expected] of grammar) {
    const { calls, err } = await recorded(typed.split(' '), { files });
    assert.deepEqual(
      calls.map((call) => call.replace(/ undefined$/, ' null').replace(/ $/, ' null')),
      expected,
      `${typed}: ${err}`,
    );
  }
});

test('an alarm is found by the beginning of its id', async () => {
  const missing = { getAlarm: fail(problem('not-found', 'no such alarm')) };
  const page = (...ids: string[]) => ok({ items: ids.map((id) => ({ ...open, id })), next: null, total: ids.length });
  const unique = await recorded(['close', '3f2a'], { answers: { ...missing, listAlarms: page('3f2a01', '77') } });
  assert.equal(unique.calls.at(-1), 'closeAlarm {"alarm":"3f2a01"}');
  const doubtful = await recorded(['close', '3f2a'], { answers: { ...missing, listAlarms: page('3f2a01', '3f2a02') } });
  assert.equal(doubtful.code, 2);
  assert.match(doubtful.err, /2 alarms begin with 3f2a: 3f2a01, 3f2a02/);
  const none = await recorded(['close', '3f2a'], { answers: { ...missing, listAlarms: page('77') } });
  assert.equal(none.code, 3);
});

test('answers to an alarm go to the alarm itself', async () => {
  const answers = { getAlarm: ok(detail) };
  const last = async (typed: string) => (await recorded(typed.split(' '), { answers })).calls.at(-1);
  assert.equal(
    await last('allow 3f2a --member web1 --preview'),
    `allowAlarm {"alarm":"${alarm.id}","member":"web1","preview":true}`,
  );
  assert.equal(
    await last('respond 3f2a suspend'),
    `respondToAlarm {"alarm":"${alarm.id}","action":"suspend","evidence":"first"}`,
  );
  assert.equal(
    await last('respond 3f2a power-off --without-evidence'),
    `respondToAlarm {"alarm":"${alarm.id}","action":"power-off","evidence":"none"}`,
  );
  assert.equal(
    await last('respond 3f2a call --call soc'),
    `respondToAlarm {"alarm":"${alarm.id}","action":"call","evidence":"first","call":"soc"}`,
  );
  assert.equal(await last('close 3f2a'), `closeAlarm {"alarm":"${alarm.id}"}`);
});

test('rules are added to those there are, and a person is asked unless told otherwise', async () => {
  const answers = { getScope: ok(scope) };
  const { calls } = await recorded(
    ['service', 'rules', 'shop/web', '--add', 'any,critical,suspend', '--add', 'process,minor,snapshot,automatic'],
    { answers },
  );
  assert.deepEqual(JSON.parse(calls.at(-1)?.replace('setRules ', '') ?? ''), {
    scope: 'shop',
    service: 'web',
    rules: [
      { on: 'any', minSeverity: 'critical', action: 'suspend', approval: 'approval' },
      { on: 'process', minSeverity: 'minor', action: 'snapshot', approval: 'automatic' },
    ],
  });
  const called = await recorded(['service', 'rules', 'shop/web', '--add', 'any,minor,alert+call:soc'], { answers });
  assert.match(called.calls.at(-1) ?? '', /"action":"alert","approval":"approval","calls":\["soc"\]/);
  const several = 'process,serious,quarantine+snapshot+suspend,automatic';
  const whole = await recorded(['service', 'rules', 'shop/web', '--add', several], { answers });
  assert.match(
    whole.calls.at(-1) ?? '',
    /"action":"quarantine","approval":"automatic","also":\["snapshot","suspend"\]/,
  );
  const inline = await recorded(['service', 'rules', 'shop/web', '--add', 'process,serious,block'], { answers });
  assert.match(inline.calls.at(-1) ?? '', /"action":"block","approval":"automatic"/, 'what acts inline can ask nobody');
});

/** What cannot be meant, what is said about it, and which word is offered instead. */
const mistakes: readonly (readonly [string, RegExp])[] = [
  ['alarsm', /Unknown command 'alarsm'\.\nDid you mean one of alarm, alarms\?/],
  ['scope craete shop', /Unknown command 'craete'\.\nDid you mean create\?/],
  ['alarms --sevrity serious', /Unknown option '--sevrity'\.\nDid you mean --severity\?/],
  ['alarms --severity terrible', /Allowed choices are info, minor, serious, critical\./],
  [
    'respond 3f2a explode',
    /Allowed choices are suspend, resume, snapshot, memory-dump, cut-link, restore-link, revert, re-image, undo-re-image, save, undo-save, power-off, quarantine, block-flow, capture, reroute, call\./,
  ],
  ['ps', /Missing required argument 'vm'\.\nSee `plumbline help ps`\./],
  ['ps web1 web2', /Too many arguments/],
  ['apply', /Required option '-f, --file <file>' not specified\./],
  ['alarms --limit 0', /--limit takes a number from 1 to/],
  ['manifest show web1 --generation x', /--generation takes the number of a generation/],
  ['service create shop', /"shop" names no service\.\nWrite the scope, a slash and the service: shop\/web\./],
  ['service rules shop/web --add sometimes', /"sometimes" is no rule\.\nWrite one word of each/],
  ['service rules shop/web --add any,serious,block,approval', /cannot wait for consent/],
  ['service rules shop/web --add inbound,serious,kill', /cannot answer inbound connections/],
  ['service set shop/web', /Nothing to set was named/],
  ['trace web1 --for soon', /"soon" is no duration/],
  ['hash web1 x', /"x" is no pid/],
  ['release web1 maybe', /Allowed choices are allow, block, kill/],
  ['capture shop --for soon', /"soon" is no duration\./],
  ['up --port 70000', /--port takes a number from 0 to 65535/],
  ['replay day.ndjson', /A replay needs one manifest/],
  ['evaluate --learn a --test b --poison 2', /--poison takes a share/],
  ['evaluate --learn a --test b --seed 2', /Add --poison/],
  ['evaluate --learn a --test b --poison 1 --seed x', /--seed takes a whole number/],
  ['completion tcsh', /Allowed choices are bash, zsh, fish\./],
  ['apply -f bad.yaml', /bad\.yaml:3: scopes\.0\.colour is not a known field/],
];

test('what cannot be meant ends with 2, one sentence and a mend, in the form that was asked for', async () => {
  for (const [typed, expected] of mistakes) {
    const files = { 'bad.yaml': 'scopes:\n  - name: shop\n    colour: red\n' };
    const people = await recorded(typed.split(' '), { files });
    assert.equal(people.code, 2, typed);
    assert.match(people.err, expected);
    assert.deepEqual([people.out, people.calls], ['', []], typed);
    const json = await recorded([...typed.split(' '), '--json'], { files });
    assert.equal(json.code, 2);
    const { kind, message } = JSON.parse(json.err) as { kind: string; message: string };
    assert.equal(kind, 'usage');
    assert.match(people.err, new RegExp(message.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  }
});

test('a declaration that names an unknown call is refused with its line, and nothing is applied', async () => {
  const rule = (call: string) =>
    `{ on: any, minSeverity: minor, action: alert, approval: automatic,\n        calls: [${call}] }`;
  const text = (call: string) => `${shop}    services:\n    - name: web\n      rules:\n      - ${rule(call)}\n`;
  const answers = { listCalls: ok([{ name: 'soc' }]), apply: ok({ changes: [], notes: [] }) };
  const bad = await recorded(['apply', '-f', 'a.yaml'], { answers, files: { 'a.yaml': text('sco') } });
  assert.deepEqual([bad.code, bad.calls], [2, ['listCalls']]);
  assert.match(bad.err, /^a\.yaml:7: scopes\.0\.services\.0\.rules\.0\.calls\.0 names sco, which is no call/);
  const good = await recorded(['apply', '-f', 'a.yaml'], { answers, files: { 'a.yaml': text('soc') } });
  assert.deepEqual([good.code, good.calls.length], [0, 2], good.err);
});

const kinds: readonly (readonly [ProblemKind, number])[] = [
  ['failed', 1],
  ['usage', 2],
  ['not-found', 3],
  ['unreadable', 4],
  ['refused', 5],
  ['interrupted', 130],
];

test('each kind of problem has its exit code, with and without a manager', async () => {
  for (const [kind, code] of kinds) {
    const error = fail({ ...problem(kind, 'It \u001b[31mcould not be.', 'Mend it.') });
    for (const world of [{ answers: { status: error } }, { manager: error }]) {
      const people = await recorded(['status'], world);
      assert.deepEqual([people.code, people.out, people.err], [code, '', 'It \\x1b[31mcould not be.\nMend it.\n']);
      const json = await recorded(['status', '--json'], world);
      assert.equal(json.code, code);
      assert.deepEqual(JSON.parse(json.err), error.error);
    }
  }
});

test('what was found wrong ends with 1, what is in order with 0', async () => {
  const remediation = {
    id: 'r',
    step: { action: 'suspend' },
    evidence: 'paused',
    by: 'root',
    startedAt: 'a',
    endedAt: 'b',
  };
  for (const [state, code] of [
    ['done', 0],
    ['unconfirmed', 1],
    ['failed', 1],
  ] as const) {
    const answers = { getAlarm: ok(detail), respondToAlarm: ok({ ...remediation, state }) };
    const { code: actual, out } = await recorded(['respond', '3f2a', 'suspend'], { answers });
    assert.equal(actual, code);
    assert.match(out, new RegExp(`^suspend ${state}: paused`));
  }
});

test('JSON is one value on one line, whatever hostile names it holds', async () => {
  const vm = { id: 'name:x', name: 'x\u009b31m\n', state: 'running', openAlarms: 0 };
  const { out, code } = await recorded(['vms', '--json'], { answers: { listVms: ok([vm]) } });
  assert.equal(code, 0);
  assert.equal(out.split('\n').length, 2);
  assert.ok(!out.includes('\u009b'));
  assert.deepEqual(JSON.parse(out), [vm]);
});

test('what was not expected is said without a stack', async () => {
  const { code, err } = await recorded(['status'], { answers: { status: ok(null) } });
  assert.equal(code, 1);
  assert.match(err, /^This should not have happened: .*\n.*report/);
  assert.doesNotMatch(err, /at .*\.ts/);
});

test('Ctrl-C leaves a question where it stands', async () => {
  const stop = new AbortController();
  const answers = { status: new Promise(() => {}) as unknown as Result<unknown> };
  const running = recorded(['status'], { answers, stop: stop.signal });
  stop.abort();
  const { code, out, err } = await running;
  assert.deepEqual([code, out, err], [130, '', '']);
});

test('help says every verb and is no mistake when it was asked for', async () => {
  const help = await recorded(['help']);
  assert.equal(help.code, 0);
  for (const { words, hidden } of verbs) {
    const said = help.out.includes(`\n  ${words.split(' ')[0]}`);
    assert.equal(said, hidden !== true, words);
  }
  assert.match((await recorded(['help', 'protect'])).out, /--force/);
  assert.match((await recorded(['scope', 'create', '--help'])).out, /--description/);
  assert.match((await recorded(['--version'])).out, /^\d+\.\d+\.\d+\n$/);
  for (const lost of [[], ['scope']]) {
    const { code, out, err } = await recorded(lost);
    assert.deepEqual([code, out], [2, '']);
    assert.match(err, /^Usage: plumbline/);
  }
});

test('the person behind sudo is who acts', async () => {
  const { calls } = await recorded(['status'], { env: { SUDO_USER: 'alice' } });
  assert.equal(calls[0], 'connect /state by alice');
});
