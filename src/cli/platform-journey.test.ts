// The way of a user through remote platforms: what each verb answers, and its exit code; names that platforms give touch no terminal.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { simulatedPlatforms } from '../../lab/platform-trial.ts';
import { connect } from '../client/connect.ts';
import { problem } from '../kit/problem.ts';
import { ok } from '../kit/result.ts';
import { must, startTrial, until, type Trial } from '../manager/trial.ts';
import type { Remediation } from '../model/remediation.ts';
import { vmId } from '../sim/simulated-activity.ts';
import { SimulatedPlatform } from '../sim/simulated-platform.ts';
import type { Programs } from './programs.ts';
import { runCommandLine } from './run.ts';
import type { Shell } from './shell.ts';
import { verbs } from './verbs/verbs.ts';

suite('a user of remote platforms', () => {
  const west = new SimulatedPlatform();
  const files = simulatedPlatforms(new Map([['west', west]]));
  let trial: Trial;

  before(async () => {
    west.canBeFollowed = true;
    west.add('vm-1', vmId(1), 'web1');
    west.add('vm-2', vmId(2), 'hostile\u001b[2J');
    trial = await startTrial(files.configuration, files.parts);
    const client = connect(trial.manager);
    await until('it is followed', async () => must(await client.status()).platforms[0]?.changes.state === 'followed');
  });
  after(async () => {
    await trial.end();
    files.end();
  });

  async function plumbline(...argv: readonly string[]): Promise<{ code: number; said: string }> {
    let said = '';
    const output = { write: (text: string) => void (said += text), isTerminal: false, width: null };
    const shell: Shell = {
      env: {},
      user: { name: 'ann', uid: 1000, home: '/home/ann' },
      out: output,
      err: output,
      stop: new AbortController().signal,
      programs: {} as Programs,
      connect: async (_, { by }) => await Promise.resolve(ok(connect({ ...trial.manager, by }))),
      consoleLink: () => assert.fail('nobody asked'),
      readText: () => assert.fail('nobody asked'),
    };
    const code = await runCommandLine(argv, shell, verbs);
    assert.ok(!said.includes('\u001b'), JSON.stringify(said));
    return { code, said };
  }

  test('platforms are listed with what they can do, and in the status', async () => {
    const { code, said } = await plumbline('platforms');
    assert.equal(code, 0);
    assert.match(said, /^west \(vsphere, https:\/\/simulated\.example\): reachable since .*Z; 2 VMs, read .*Z\n/);
    assert.match(said, /\n {2}changes {2}followed since .*Z\n/);
    assert.match(said, / can {6}suspend, resume, power-off, snapshot, quarantine \(asked about web1\)/);
    assert.match(said, / cannot {3}capture: It cannot\./);
    assert.match((await plumbline('status')).said, /\nplatform {3}west \(vsphere,/);
  });

  test('their VMs are listed, and among all VMs as unwatched, said once for all', async () => {
    const { said } = await plumbline('platforms', 'vms', 'west');
    assert.match(said, /web1 +running +esx1 +no +net0 52:54:00:00:00:00 +10\.9\.0\.11 +tier:web/);
    const all = (await plumbline('vms')).said;
    assert.match(all, /web1 +running, unwatched/);
    assert.equal(all.match(/nothing inside it is watched/g)?.length, 1);
    const unknown = await plumbline('platforms', 'vms', 'east');
    assert.deepEqual([unknown.code, unknown.said.split('\n')[0]], [3, 'No platform is called east.']);
  });

  test('an action is shown before, done with its reason, and refused where it cannot be done', async () => {
    const foreseen = await plumbline('act', 'web1', 'quarantine', '--preview');
    assert.equal(foreseen.code, 0);
    assert.match(foreseen.said, /1\. quarantine: read back "in force"; taken back by lift/);
    assert.match(foreseen.said, /quarantine chosen: asked for; by platform west \(its cards are disconnected\)/);
    assert.match(foreseen.said, /Nothing was changed\.$/m);
    assert.deepEqual(west.vms.get('vm-1')?.effects, []);

    const done = await plumbline('act', 'web1', 'suspend', '--why', 'it beacons', '--json');
    assert.equal(done.code, 0);
    const remediation = JSON.parse(done.said) as Remediation;
    assert.deepEqual([remediation.state, remediation.platform, remediation.step.why], ['done', 'west', 'it beacons']);
    const undone = await plumbline('undo', remediation.plan ?? '');
    assert.equal(undone.code, 0);

    assert.equal((await plumbline('act', 'web1', 'capture')).code, 5);
    assert.equal((await plumbline('act', 'nobody', 'suspend')).code, 3);
    assert.equal((await plumbline('act', 'web1', 'lift')).code, 2);
    assert.equal((await plumbline('act', 'web1', 'suspend', '--why', 'x'.repeat(501))).code, 2);
  });

  test('that changes are not followed is said with the reason', async () => {
    west.breakStream(problem('interrupted', 'The session \u001b[2Jwas ended.'));
    const { said } = await plumbline('platforms');
    assert.match(
      said,
      /\n {2}changes {2}not followed since .*Z, seen when it is read next: The session .*was ended\.\n/,
    );
    west.breakStream(null);
  });

  test('what was not confirmed is no success', async () => {
    west.fault = 'refuses';
    const { code, said } = await plumbline('act', vmId(2), 'snapshot');
    assert.equal(code, 1);
    assert.match(said, /The account may not do that/);
  });
});
