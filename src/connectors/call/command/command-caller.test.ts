// Commands as real processes: as whom they run, what they are given and what not, and that nothing of them stays.
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { after, test } from 'node:test';
import { factsWith, hostileTexts } from '../../../sim/simulated-call.ts';
import type { CallOutcome } from '../caller.ts';
import { type CommandSettings, makeCommandCaller } from './command-caller.ts';

const isRoot = process.getuid?.() === 0;
/** Root becomes somebody else, everybody else stays who he is. */
const user = isRoot ? 'nobody' : userInfo().username;
const directory = mkdtempSync(join(tmpdir(), 'plumbline-command-'));
chmodSync(directory, 0o755);
after(() => rmSync(directory, { recursive: true, force: true }));

let scripts = 0;

function script(text: string, mode = 0o755): string {
  scripts += 1;
  const path = join(directory, `script-${scripts}`);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, mode);
  return path;
}

async function call(
  run: readonly string[],
  rest: Partial<CommandSettings> = {},
  text = 'x',
  signal = new AbortController().signal,
): Promise<CallOutcome> {
  const caller = makeCommandCaller({ run, user, allowRoot: false, timeoutMs: 20_000, graceMs: 300, ...rest });
  return await caller.call({ key: 'k1', facts: factsWith(text), signal });
}

test('it runs as its user without groups of ours, with the facts on standard input and a clean environment', async () => {
  const path = script(
    'id -un; id -G | wc -w; cat; echo; env; tr "\\\\0" "|" < /proc/self/cmdline; grep NoNewPrivs /proc/self/status; pwd',
  );
  const outcome = await call([path, 'fixed']);
  assert.equal(outcome.state, 'done', outcome.evidence);
  const said = outcome.evidence;
  assert.match(said, new RegExp(`ended with 0: ${user} `));
  if (isRoot) assert.match(said, /nobody 1 /);
  assert.match(said, /"version":1,"id":"step1"/);
  const environment = [...said.matchAll(/([A-Z_]+)=/g)].map(([, name]) => name);
  assert.deepEqual(new Set(environment), new Set(['PATH', 'LANG', 'PWD']));
  assert.match(said, /NoNewPrivs: 1 \/$/);
});

test('nothing a guest wrote reaches its arguments or its environment', async () => {
  const path = script(`cat > /dev/null; tr '\\0' '\\n' < /proc/$$/cmdline; tr '\\0' '\\n' < /proc/$$/environ`);
  const plain = await call([path, '--', 'a b']);
  for (const text of hostileTexts) assert.deepEqual(await call([path, '--', 'a b'], {}, text), plain);
});

const exits: readonly (readonly [string, CallOutcome['state'], boolean, RegExp])[] = [
  ['exit 0', 'done', false, /ended with 0/],
  ['exit 75', 'failed', true, /ended with 75/],
  ['echo broken >&2; exit 1', 'failed', false, /ended with 1: broken/],
  ['kill -SEGV $$', 'failed', false, /was ended by SIGSEGV/],
];
for (const [text, state, again, evidence] of exits)
  test(`${text}: ${state}${again ? ', tried again' : ''}`, async () => {
    const outcome = await call([script(text)]);
    assert.equal(outcome.state, state, outcome.evidence);
    if (outcome.state === 'failed') assert.equal(outcome.again, again);
    assert.match(outcome.evidence, evidence);
  });

test('output without end is kept up to a bound, and does not hold the program up', async () => {
  const outcome = await call([script('head -c 3000000 /dev/zero | tr "\\\\0" y')]);
  assert.equal(outcome.state, 'done');
  assert.ok(outcome.evidence.length < 4000);
  assert.match(outcome.evidence, /\(3000000 bytes in all\)$/);
});

test('a program that reads nothing is no trouble', async () => {
  assert.equal((await call([script('exec 0<&-; exit 0')], {}, 'x'.repeat(4096))).state, 'done');
});

test('what ignores the request to end, and its children, are made to end, and it is not called done', async () => {
  const pids = join(directory, 'pids');
  writeFileSync(pids, '');
  chmodSync(pids, 0o666);
  const path = script(
    `trap '' TERM; for i in 1 2 3; do sh -c "trap '' TERM; echo \\$\\$ >> ${pids}; while :; do sleep 1; done" & done; echo $$ >> ${pids}; while :; do sleep 1; done`,
  );
  const began = performance.now();
  const outcome = await call([path], { timeoutMs: 1500 });
  assert.equal(outcome.state, 'unconfirmed');
  assert.match(outcome.evidence, /was ended after 1500 ms/);
  assert.ok(performance.now() - began < 8000, 'it was waited for');
  await allEnded(pids, 4);
});

test('who stays behind when its program has ended is ended as well, and holds nothing up', async () => {
  const pids = join(directory, 'left');
  writeFileSync(pids, '');
  chmodSync(pids, 0o666);
  const began = performance.now();
  const outcome = await call([
    script(`sh -c 'echo $$ >> ${pids}; exec sleep 600' & while [ ! -s ${pids} ]; do sleep 0.05; done; exit 0`),
  ]);
  assert.equal(outcome.state, 'done', outcome.evidence);
  assert.ok(performance.now() - began < 8000);
  await allEnded(pids, 1);
});

test('a manager that stops ends what it runs, and does not call it failed', async () => {
  const stopping = new AbortController();
  setTimeout(() => stopping.abort(), 300);
  const outcome = await call([script('sleep 600')], {}, 'x', stopping.signal);
  assert.equal(outcome.state, 'unconfirmed', outcome.evidence);
});

async function allEnded(file: string, count: number): Promise<void> {
  const pids = readFileSync(file, 'utf8').trim().split('\n').map(Number);
  assert.equal(pids.length, count);
  const isAlive = (pid: number): boolean => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  };
  for (let tries = 0; tries < 100 && pids.some(isAlive); tries += 1) await pause(20);
  assert.deepEqual(pids.filter(isAlive), []);
}

const writable = script('exit 0', 0o757);
const grouped = script('exit 0', 0o775);
const bare = script('exit 0', 0o644);
mkdirSync(join(directory, 'open'));
writeFileSync(join(directory, 'open', 'run'), '#!/bin/sh\nexit 0\n');
chmodSync(join(directory, 'open', 'run'), 0o755);
chmodSync(join(directory, 'open'), 0o777);
symlinkSync(writable, join(directory, 'link'));

const refused: readonly (readonly [string, readonly string[], Partial<CommandSettings>, RegExp])[] = [
  ['a program that others may write', [writable], {}, /may be written by others/],
  ['a program that a group may write', [grouped], {}, /may be written by others/],
  ['a link to a program that others may write', [join(directory, 'link')], {}, /may be written by others/],
  [
    'a program in a folder that others may write',
    [join(directory, 'open', 'run')],
    {},
    /in which .* lies, may be written/,
  ],
  ['a file that is no program', [bare], {}, /cannot be run/],
  ['a program that is not there', [join(directory, 'none')], {}, /cannot be run: ENOENT/],
  ['a folder', [directory], {}, /is no file/],
  ['an account that is not there', ['/bin/true'], { user: 'nosuchuser' }, /no account nosuchuser/],
];
for (const [what, run, rest, why] of refused)
  test(`not run: ${what}`, async () => {
    const caller = makeCommandCaller({ run, user, allowRoot: false, timeoutMs: 1000, graceMs: 100, ...rest });
    assert.match((await caller.obstacle()) ?? '', why);
    const outcome = await call(run, rest);
    assert.ok(outcome.state === 'failed' && !outcome.again);
  });

test('not run as root unless that is said; as somebody else only where the manager can become him', async () => {
  const asRoot = await call(['/bin/true'], { user: 'root' });
  assert.ok(asRoot.state === 'failed' && /needs allowRoot/.test(asRoot.evidence), asRoot.evidence);
  const said = await call([script('id -u')], { user: 'root', allowRoot: true });
  if (isRoot) assert.match(said.evidence, /ended with 0: 0$/);
  else assert.match(said.evidence, /the manager runs as user/);
});

test(
  'a program that belongs to a stranger is not run',
  { skip: isRoot ? false : 'only root gives files away' },
  async () => {
    const path = script('exit 0');
    chownSync(path, 12_345, 12_345);
    assert.match((await call([path])).evidence, /belongs to user 12345/);
  },
);
