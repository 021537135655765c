// Packets captured through NSX against a simulated manager: from the order to a file with its hash, over restarts, within its limits, and
// never said to be there when it is not.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cardPort, must, type NsxTrial, startNsxTrial, webId } from '../../../../lab/nsx-trial.ts';
import type { Problem } from '../../../kit/problem.ts';
import type { Capture, VmPort } from '../../../model/network-measure.ts';
import { captureOf, type SimulatedSession } from '../../../sim/nsx/nsx-session.ts';
import { EvidenceRoom } from '../evidence-room.ts';
import type { MeasureOutcome, NetworkEnforcer } from '../network-enforcer.ts';
import type { CapturedFile } from '../packet-capture.ts';
import type { CaptureKeeping } from '../port-capture.ts';
import type { NsxPlatformSettings } from './nsx-platform.ts';

const long: Capture = { kind: 'capture', seconds: 600, bytes: 1_000_000 };
const short: Capture = { kind: 'capture', seconds: 1, bytes: 1_000_000 };
const begins = /^POST .*\/pktcap\/session$/;
const file = /(capturefile|CapturedFile)$/;

suite('packets captured through NSX', () => {
  let directory: string;
  let trial: NsxTrial;
  let network: NetworkEnforcer;
  let port: VmPort;
  let kept: { readonly file: CapturedFile; readonly remark: string }[];
  let lost: { readonly id: string; readonly card: string; readonly why: Problem }[];
  /** Whoever keeps files is away: nothing can be written down. */
  let isAway: boolean;

  const settings = (more: Partial<NsxPlatformSettings> = {}): Partial<NsxPlatformSettings> => ({
    keeping: keepingIn(new EvidenceRoom(directory, { freeBytes: 0 })),
    capturePace: { pollMs: 10, graceMs: 20_000 },
    ...more,
  });
  const keepingIn = (room: EvidenceRoom): CaptureKeeping => ({
    room,
    collected: async (one, remark) => {
      if (!isAway) kept.push({ file: one, remark });
      return await Promise.resolve(!isAway);
    },
    lost: async (id, card, why) => {
      if (!isAway) lost.push({ id, card, why });
      return await Promise.resolve(!isAway);
    },
  });

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'plumbline-nsx-capture-'));
    [kept, lost, isAway] = [[], [], false];
    trial = await startNsxTrial('security_engineer', settings());
    const vm = await trial.web();
    [network, port] = [trial.platform.network(vm), cardPort(vm)];
  });

  afterEach(async () => {
    await trial.stop();
    rmSync(directory, { recursive: true });
  });

  const capture = async (measure = long, by = network): Promise<MeasureOutcome> => await by.apply(port, 'c-1', measure);
  const sessions = (): readonly SimulatedSession[] => [...trial.nsx.world.sessions.values()];
  /** NSX is done with them before their time. */
  const endAll = (): void => sessions().forEach((session) => (session.endedMs = Date.now()));
  const begun = (): number => trial.nsx.record.asked.filter((asked) => begins.test(asked)).length;
  /** Another manager's, on the same directory. */
  const another = async (more: Partial<NsxPlatformSettings> = {}): Promise<NetworkEnforcer> =>
    trial.anotherPlatform(settings(more)).network(await trial.web());
  const assertWhole = async (): Promise<void> => {
    await until(() => readdirSync(directory).length === 1);
    const [one, more] = kept;
    assert.ok(one !== undefined && more === undefined, `${kept.length} were kept`);
    const bytes = readFileSync(one.file.path);
    assert.equal(one.file.sha256, createHash('sha256').update(bytes).digest('hex'));
    assert.equal(one.file.sizeBytes, bytes.length);
    assert.equal(basename(one.file.path), 'c-1-4000.pcap');
  };

  for (const version of ['3.2.1.0', '4.1.2.3.0.23382408', '9.0.0.0.24733063']) {
    test(`NSX ${version}: an order becomes a file with its hash, once, and nothing is left in NSX`, async () => {
      trial.nsx.world.version = version;
      const able = await network.capabilities(port);
      assert.ok(able.some(({ measure, available }) => measure === 'capture' && available));
      const first = await capture(short);
      done(first, true);
      assert.match(
        first.evidence,
        /NSX captures at port lp-port-005056\w+ of card 4000, session [0-9a-f-]{36}, for 1 s/,
      );
      const again = await capture(short);
      done(again, false);
      const [found] = must(await network.inForce(port));
      assert.deepEqual([found?.id, found?.kind, found?.missing], ['c-1', 'capture', null]);
      assert.ok(found !== undefined && (found.endsInMs ?? 9999) <= 1000);
      const [session] = sessions();
      assert.equal(session?.request['node'], 'f1e8a3c2-0000-4000-8000-000000000001');
      await until(() => kept.length > 0 && sessions().length === 0 && readdirSync(directory).length === 1);
      await assertWhole();
      assert.deepEqual([kept[0]?.file.packets, kept[0]?.file.endedBy, kept[0]?.remark], [3, 'time', '']);
      assert.deepEqual(readFileSync(kept[0]?.file.path ?? ''), trial.nsx.world.captured);
      done(await capture(short), false);
      assert.deepEqual([begun(), must(await network.inForce(port)).length], [1, 0]);
      done(await network.release(port, 'c-1'), false);
    });
  }

  test('a release ends the session, keeps what was captured and says what it is', async () => {
    done(await capture(), true);
    const released = await network.release(port, 'c-1');
    done(released, true);
    assert.match(released.evidence, /c-1-4000\.pcap: 3 packets, 1722 bytes, sha256 [0-9a-f]{64}, ended by release/);
    await assertWhole();
    assert.equal(sessions().length, 0);
    done(await network.release(port, 'c-1'), false);
  });

  test('no more bytes are kept than were ordered, cut between two packets', async () => {
    trial.nsx.world.captured = captureOf(Array.from({ length: 500 }, () => 1000));
    done(await capture({ ...long, bytes: 10_000 }), true);
    await until(() => kept.length > 0);
    const [one] = kept;
    assert.deepEqual([one?.file.sizeBytes, one?.file.packets, one?.file.endedBy], [24 + 9 * 1016, 9, 'size']);
    assert.match(one?.remark ?? '', /NSX had 508024 bytes/);
    await assertWhole();
  });

  test('a manager that is started again goes on with it, and the same order begins nothing', async () => {
    done(await capture(), true);
    await trial.platform.close();
    const later = await another();
    const [found] = must(await later.inForce(port));
    assert.deepEqual([found?.id, found?.missing], ['c-1', null]);
    done(await capture(long, later), false);
    done(await later.release(port, 'c-1'), true);
    await assertWhole();
    assert.deepEqual([begun(), sessions().length], [1, 0]);
  });

  test('a manager that dies as soon as NSX was asked finds the session when it is back', async () => {
    const asItWas = mkdtempSync(join(tmpdir(), 'plumbline-nsx-died-'));
    trial.nsx.faults.beforeWrite = (asked) => {
      if (begins.test(asked)) cpSync(directory, asItWas, { recursive: true });
    };
    done(await capture(), true);
    await trial.platform.close();
    const later = await another({ keeping: keepingIn(new EvidenceRoom(asItWas, { freeBytes: 0 })) });
    done(await capture(long, later), false);
    done(await later.release(port, 'c-1'), true);
    assert.deepEqual([begun(), sessions().length, readdirSync(asItWas)], [1, 0, ['c-1-4000.pcap']]);
    rmSync(asItWas, { recursive: true });
  });

  test('what was fetched and not written down is told again after a restart, with the same hash', async () => {
    isAway = true;
    done(await capture(), true);
    endAll();
    await until(() => readdirSync(directory).includes('c-1-4000.pcap'));
    assert.deepEqual([kept.length, sessions().length], [0, 1]);
    await trial.platform.close();
    isAway = false;
    await another();
    await until(() => kept.length > 0 && sessions().length === 0 && readdirSync(directory).length === 1);
    assert.equal(kept[0]?.file.packets, 3);
    await assertWhole();
  });

  test('an answer that is lost leaves a session that is found, and none is begun twice', async () => {
    trial.nsx.faults.losesAnswers = { of: begins, times: 1 };
    done(await capture(), true);
    done(await capture(), false);
    assert.equal(must(await network.inForce(port))[0]?.missing, null);
    assert.deepEqual([begun(), sessions().length], [1, 1]);
    done(await network.release(port, 'c-1'), true);
    await assertWhole();
  });

  test('somebody else’s session at the same port is not taken for ours', async () => {
    trial.nsx.faults.liesAbout = begins;
    const hasty = await another({ capturePace: { pollMs: 10, graceMs: 200 } });
    const other = { node: [...trial.nsx.world.nodes][0] ?? '', capvalue: 'lp-port-0050568e0001', capduration: 600 };
    const request = { ...other, capamount: 20_000 };
    const session = { id: 'theirs', request, startedMs: Date.now(), durationMs: 600_000, endedMs: null, error: null };
    trial.nsx.world.sessions.set('theirs', session);
    const outcome = await capture(long, hasty);
    assert.ok(outcome.state === 'failed' && /never showed one/.test(outcome.evidence), outcome.evidence);
    assert.match(lost[0]?.why.message ?? '', /never showed one/);
    assert.deepEqual([session.endedMs, sessions().length, readdirSync(directory)], [null, 1, []]);
  });

  test('a file that breaks off is fetched anew, three times at most, and then left in NSX and said to be lost', async () => {
    trial.nsx.faults.breaksFiles = 2;
    done(await capture(), true);
    endAll();
    await until(() => kept.length > 0);
    await assertWhole();
    trial.nsx.faults.breaksFiles = 9;
    assert.equal((await network.apply(port, 'c-2', long)).state, 'done');
    endAll();
    await until(() => lost.length > 0);
    assert.match(lost[0]?.why.message ?? '', /Session [0-9a-f-]{36} is left in NSX/);
    assert.deepEqual([lost[0]?.id, trial.nsx.faults.breaksFiles, sessions().length], ['c-2', 6, 1]);
  });

  const lies: readonly (readonly [string, () => void, RegExp])[] = [
    ['a web page', () => (trial.nsx.world.captured = Buffer.from('<html>'.repeat(100))), /else than captured packets/],
    ['nothing', () => (trial.nsx.world.captured = Buffer.alloc(0)), /else than captured packets/],
    ['an error', () => (trial.nsx.faults.answers = { of: file, status: 500, body: '' }), /status 500/],
    ['no file', () => (trial.nsx.faults.answers = { of: file, status: 404, body: '{}' }), /status 404/],
  ];
  for (const [what, lie, words] of lies) {
    test(`${what} in place of the file is no evidence, and said`, async () => {
      done(await capture(), true);
      lie();
      const released = await network.release(port, 'c-1');
      assert.ok(released.state === 'failed' && words.test(released.evidence), released.evidence);
      assert.match(lost[0]?.why.message ?? '', words);
      assert.deepEqual([kept.length, readdirSync(directory), sessions().length], [0, [], 1]);
    });
  }

  test('half a packet at the end is left out, and other bytes than NSX said are told', async () => {
    const whole = captureOf([100, 100]);
    trial.nsx.world.captured = whole.subarray(0, whole.length - 30);
    done(await capture(), true);
    endAll();
    await until(() => kept.length > 0);
    assert.deepEqual([kept[0]?.file.packets, kept[0]?.file.sizeBytes, kept[0]?.file.endedBy], [1, 140, 'capture']);
    assert.match(kept[0]?.remark ?? '', /last 86 bytes were half a packet/);
  });

  test('a session that NSX calls failed, or forgets, is lost with the reason', async () => {
    done(await capture(), true);
    for (const session of sessions()) session.error = 'pktcap-uw: no such\nport';
    await until(() => lost.length > 0);
    assert.match(lost[0]?.why.message ?? '', /could not capture: pktcap-uw: no such port/);
    assert.equal((await network.apply(port, 'c-2', long)).state, 'done');
    trial.nsx.world.sessions.clear();
    await until(() => lost.length > 1);
    assert.match(lost[1]?.why.message ?? '', /does not know packet capture session/);
    assert.deepEqual([kept.length, readdirSync(directory)], [0, []]);
  });

  test('a session that does not end in time is given up, and said', async () => {
    const hasty = await another({ capturePace: { pollMs: 10, graceMs: 300 } });
    done(await capture(short, hasty), true);
    trial.nsx.faults.liesAbout = /terminate/;
    for (const session of sessions()) Object.assign(session, { durationMs: 600_000 });
    await until(() => lost.length > 0);
    assert.match(lost[0]?.why.message ?? '', /does not end session/);
  });

  test('a manager that hangs is waited for within limits, and the capture goes on', async () => {
    const hasty = await another({ timeoutMs: 300, pace: { deadlineMs: 500, readEveryMs: 10 } });
    trial.nsx.faults.hangs = /^GET .*pktcap/;
    assert.equal((await capture(long, hasty)).state, 'unconfirmed');
    assert.equal((await capture(long, hasty)).state, 'unconfirmed');
    trial.nsx.faults.hangs = null;
    done(await hasty.release(port, 'c-1'), true);
    await assertWhole();
  });

  const refusals: readonly (readonly [string, () => void, RegExp])[] = [
    ['an unknown node', () => trial.nsx.world.nodes.clear(), /Transport node f1e8\S+ not found/],
    ['too many sessions', () => (trial.nsx.world.sessionsMax = 0), /maximum number of capture sessions/],
    ['no network of NSX', () => detach(), /card 4000 is on no network of NSX/],
    ['another card', () => Object.assign(firstCard(), { mac: '00:50:56:8e:00:77' }), /not 00:50:56:8e:00:01/],
    ['a VM that is gone', () => trial.nsx.world.vms.delete(webId), /knows no VM/],
    ['no version', () => (trial.nsx.world.version = 'of sorts'), /of what version/],
    ['no port', () => trial.nsx.world.segments.clear(), /has no port for network card 4000/],
  ];
  for (const [what, change, words] of refusals) {
    test(`refused with the reason, and nothing is left: ${what}`, async () => {
      change();
      const refused = await capture();
      assert.ok(refused.state === 'failed' && words.test(refused.evidence), refused.evidence);
      assert.deepEqual([sessions().length, readdirSync(directory)], [0, []]);
      assert.deepEqual(must(await network.inForce(port)), []);
    });
  }

  test('no more is captured than there is room for, and a VM that the firewall leaves out is captured', async () => {
    const room = new EvidenceRoom(directory, { keptBytes: 1_500_000, freeBytes: 0 }, packets);
    const small = await another({ keeping: keepingIn(room) });
    trial.nsx.world.isFirewallOn = false;
    done(await capture(long, small), true);
    const refused = await small.apply(port, 'c-2', long);
    assert.ok(
      refused.state === 'failed' && /bytes of packets beside 1000000 kept/.test(refused.evidence),
      refused.evidence,
    );
    assert.match(refused.evidence, /throw some away/);
  });

  for (const version of ['4.1.2.3', '9.0.0.0']) {
    test(`NSX ${version}: the port is that of the card, whatever it is attached by`, async () => {
      trial.nsx.world.version = version;
      for (const [index, attachment] of ['a" OR id:*', 'a\\', '\\" b', '..', 'a&b=c'].entries()) {
        Object.assign(firstCard(), { attachment });
        trial.nsx.world.segments.set(attachment, 'web');
        done(await network.apply(port, `c-${index}`, long), true);
        assert.equal(sessions()[0]?.request['capvalue'], `lp-${attachment}`);
        done(await network.release(port, `c-${index}`), true);
      }
    });
  }

  test('notes that are none, or are another’s, are left alone', async () => {
    const note = { id: 'x', card: '4000', externalId: 'vm', vm: 'v', seconds: 1, bytes: 1, beganMs: 1, session: 's' };
    const point = { api: 'manager', node: 'n', value: '../../x' };
    const texts = ['', '{', '[]', '{"point":{}}', JSON.stringify({ ...note, point, id: '../x' })];
    for (const [index, text] of texts.entries()) writeFileSync(join(directory, `n-${index}.pcap.capture.json`), text);
    writeFileSync(join(directory, 'y-4000.pcap.capture.json'), JSON.stringify({ ...note, point }));
    await another();
    await sleep(50);
    assert.deepEqual([kept.length, lost.length, readdirSync(directory).length], [0, 0, 6]);
  });

  function firstCard() {
    return trial.nsx.world.vms.get(webId)?.cards[0] ?? assert.fail();
  }

  function detach(): void {
    Object.assign(firstCard(), { attachment: null });
  }
});

test('an account without the permission is told so, and nothing is left half', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-nsx-capture-'));
  const never = async (): Promise<boolean> => await Promise.resolve(assert.fail());
  const keeping = { room: new EvidenceRoom(directory, { freeBytes: 0 }), collected: never, lost: never };
  const trial = await startNsxTrial('firewall_only', { keeping });
  const vm = await trial.web();
  const refused = await trial.platform.network(vm).apply(cardPort(vm), 'c-1', long);
  assert.ok(refused.state === 'failed' && refused.problem.kind === 'refused', refused.evidence);
  assert.match(refused.evidence, /does not have permission .* role that docs\/platforms-nsx.md names/);
  assert.deepEqual(readdirSync(directory), []);
  await trial.stop();
  rmSync(directory, { recursive: true });
});

const packets = { name: /\.pcap(\.part)?$/, what: 'packets', mend: () => 'Please throw some away.' };

function done(outcome: MeasureOutcome, changed: boolean): void {
  assert.deepEqual([outcome.state, outcome.changed], ['done', changed], outcome.evidence);
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; !(await holds()); await sleep(5))
    assert.ok(Date.now() < deadline, 'it did not come true');
}
