// Evidence from end to end: real packets captured on a real bridge, kept and hashed on their host, fetched by a manager over the line,
// in a bundle that is checked offline; and a file that somebody changed on the host's disk in between.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { datagram } from '../lab/frames.ts';
import { bridgeName, openSwitchedSegment, places } from '../lab/switched-segment.ts';
import { connect } from '../src/client/connect.ts';
import { nftablesEnforcer } from '../src/connectors/enforcement/nftables/nftables-enforcer.ts';
import { PacketCapture } from '../src/connectors/enforcement/packet-capture.ts';
import { silentLog } from '../src/kit/log.ts';
import { verifyBundle } from '../src/manager/evidence/verify-bundle.ts';
import { must, startTrial } from '../src/manager/trial.ts';
import type { EvidenceReport } from '../src/model/evidence.ts';
import type { VmPort } from '../src/model/network-measure.ts';
import { PcapReader } from '../src/protocols/packet/pcap-reader.ts';
import { readTrustList } from '../src/protocols/dsse/keys.ts';
import { openDatabase } from '../src/sentinel/database.ts';
import { HostEvidence } from '../src/sentinel/evidence/host-evidence.ts';
import { at, findingOf, runningVm, started, vmId } from '../src/sim/simulated-activity.ts';
import { makeSimulatedSentinel } from '../src/sim/simulated-sentinel.ts';
import { measureStep } from '../src/stages/respond/steps.ts';
import { inProcessLink } from '../src/wire/in-process-link.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const directory = mkdtempSync(join(tmpdir(), 'plumbline-e2e-evidence-'));
after(() => rmSync(directory, { recursive: true }));

test('packets of a VM become a bundle that can be checked, and one that was tampered with is told', async () => {
  const trial = await startTrial();
  const segment = await openSwitchedSegment('bridge');
  const opened = openDatabase(join(directory, 'sentinel.db'));
  assert.ok(opened.ok);
  const reports: EvidenceReport[] = [];
  const trusted = must(readTrustList(trial.manager.trust));
  const evidence = new HostEvidence({
    name: 'host1',
    trusted,
    clock,
    log: silentLog,
    evidence: {},
    database: opened.value,
    directory: join(directory, 'evidence'),
    report: (report) => void reports.push(report),
  });
  const capture = new PacketCapture({
    directory: join(directory, 'evidence', 'packets'),
    clock,
    namespacePid: segment.pid,
    finished: (file) => evidence.captured(file),
    lost: (key, why) => evidence.captureLost(key, why),
  });
  try {
    const sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => new Date().toISOString());
    const link = inProcessLink();
    link.connectManager(trial.manager.end);
    const end = { evidence: evidence.answer.bind(evidence), retain: evidence.retain.bind(evidence) };
    trial.manager.attachSentinel(link.sentinel({ ...sentinel, ...end }));
    const deliver = async (parts: Parameters<typeof sentinel.batch>[0]) =>
      must(await link.manager.deliver(sentinel.batch(parts)));

    await deliver({ vms: [runningVm(1, 'web1')], findings: [findingOf(started(vmId(1), '/tmp/evil', ['evil']), 'g')] });
    const { vm, peer } = places;
    const port: VmPort = { vm: vmId(1), interface: vm.port, mac: vm.mac, addresses: [vm.address], bridge: bridgeName };
    const measure = { kind: 'capture', seconds: 60, bytes: 1_000_000 } as const;
    const step = measureStep(measure, vmId(1), 'alarm', 'seed');
    assert.equal(await evidence.refuses(step), null);
    const patience = { clock, sleep: (ms: number) => wait(ms) };
    const enforcer = nftablesEnforcer({ namespacePid: segment.pid, patience, capture });
    const begun = await enforcer.apply(port, step.id, measure);
    assert.equal(begun.state, 'done', begun.evidence);
    const sent = datagram({ from: vm, to: peer }, [4000, 80]);
    await segment.send('vm', sent, 25);
    await wait(300);
    await enforcer.release(port, step.id);
    const whose = { origin: 'standing-order', by: 'rules', alarm: null, group: 'g' } as const;
    const did = { state: begun.state, evidence: begun.evidence, startedAt: at(2), endedAt: at(3) };
    await deliver({ remediations: [{ id: step.id, step, ...whose, ...did }], evidence: reports });

    const client = connect({ ...trial.manager, by: 'ann' });
    const alarm = must(await client.listAlarms({})).items[0]?.id ?? '';
    const bundle = async (): Promise<string> => {
      const pieces: Uint8Array[] = [];
      for await (const piece of must(await client.downloadEvidence(alarm))) pieces.push(piece);
      const file = join(directory, 'bundle.tar');
      writeFileSync(file, Buffer.concat(pieces));
      return file;
    };
    const file = await bundle();
    const whole = must(await verifyBundle(file, trusted));
    assert.deepEqual(whole.faults, []);
    const [item] = whole.index.collected;
    assert.ok(item?.found === 'whole' && item.member !== null, JSON.stringify(item));
    const packets = spawnSync('tar', ['-xOf', file, item.member], { maxBuffer: 10_000_000 }).stdout;
    let arrived = 0;
    new PcapReader().read(packets, ({ bytes }) => {
      if (Buffer.from(bytes).toString('hex').startsWith(sent)) arrived += 1;
    });
    assert.equal(arrived, 25);

    const onDisk = join(directory, 'evidence', 'packets', item.item.name ?? '');
    const bytes = readFileSync(onDisk);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(onDisk, bytes);
    const after = must(await verifyBundle(await bundle(), trusted));
    assert.deepEqual(after.faults, [], 'it is what was signed');
    assert.equal(after.index.collected[0]?.found, 'differs');
    assert.match(after.index.missing.join('\n'), /is not what was collected: its sha256 is/);
  } finally {
    await capture.close();
    await evidence.close();
    opened.value.close();
    await segment.stop();
    await trial.end();
  }
});
