// A whole manager against a simulated NSX, by the configuration a person writes: a VM is quarantined at a person's word, as the
// packets that pass show, is held so against a tool that writes over its tags, and undoing opens it again; it is led through a chain; its
// packets are captured and become evidence.
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  foreignTag,
  nsxCertificate,
  nsxPassword,
  nsxUser,
  startNsxTrial,
  webId,
  type NsxTrial,
} from '../../../lab/nsx-trial.ts';
import { quickPace } from '../../../lab/platform-trial.ts';
import { connect, type Client } from '../../client/connect.ts';
import { readTrustList } from '../../protocols/dsse/keys.ts';
import { ledThrough, passes } from '../../sim/nsx/nsx-packets.ts';
import { readConfiguration } from '../configuration.ts';
import { verifyBundle } from '../evidence/verify-bundle.ts';
import { must, startTrial, type Trial } from '../trial.ts';

const chain = '/infra/service-chains/partner-ids';

suite('a manager with an NSX', () => {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-nsx-'));
  let nsx: NsxTrial;
  let trial: Trial;
  let client: Client;

  before(async () => {
    nsx = await startNsxTrial();
    nsx.nsx.world.chains.set(chain, { failure_policy: 'BLOCK' });
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, `${nsxPassword}\n`, { mode: 0o600 });
    const pin = nsxCertificate.fingerprint;
    const written = `platforms:
  - { name: west, kind: nsx, url: '${nsx.nsx.url}', user: ${nsxUser}, passwordFile: ${passwordFile}, certificateSha256: '${pin}', inspection: { ids: ${chain} } }
`;
    const configuration = must(readConfiguration(written, 'plumbline.yaml'));
    trial = await startTrial(configuration, { platformPace: { ...quickPace, readMs: 300, holdMs: 300 } });
    client = connect({ ...trial.manager, by: 'ann' });
    await eventually(async () => must(await client.listVms()).length === 2);
  });

  after(async () => {
    await trial.end();
    await nsx.stop();
    rmSync(directory, { recursive: true });
  });

  const isCutOff = (): boolean =>
    !passes(nsx.nsx.world, webId, { direction: 'OUT', peer: '10.9.0.12', protocol: 'TCP', destinationPort: 443 });

  test('quarantined at a person’s word, held against a tool that writes tags, and opened by undoing', async () => {
    const vm = must(await client.listPlatformVms({ platform: 'west' })).find(({ id }) => id === webId);
    assert.ok(vm !== undefined);
    assert.equal(isCutOff(), false);
    const done = must(await client.actOnVm({ vm: vm.vm, action: 'quarantine', why: 'it beacons' }));
    assert.deepEqual([done.state, done.platform], ['done', 'west'], done.evidence);
    assert.equal(isCutOff(), true);

    const web = nsx.nsx.world.vms.get(webId) ?? assert.fail();
    nsx.nsx.world.setTags(web, [foreignTag]);
    await eventually(async () => (must(await client.listPlatforms())[0]?.measures.putBack ?? 0) > 0);
    assert.equal(isCutOff(), true);

    const plan = done.plan ?? '';
    must(await client.undo({ answer: plan }));
    await eventually(async () => must(await client.getPlan({ plan })).state === 'undone');
    assert.equal(isCutOff(), false);
    assert.deepEqual(web.tags, [foreignTag]);
  });

  const webVm = async (): Promise<string> =>
    must(await client.listPlatformVms({ platform: 'west' })).find(({ id }) => id === webId)?.vm ?? assert.fail();
  const undone = async (plan: string): Promise<void> => {
    must(await client.undo({ answer: plan }));
    await eventually(async () => must(await client.getPlan({ plan })).state === 'undone');
  };

  test('led through the chain that stands for its service’s inspection point, held there, and back', async () => {
    const vm = await webVm();
    const led = (): string | null =>
      ledThrough(nsx.nsx.world, webId, { direction: 'OUT', peer: '10.9.0.12', protocol: 'TCP', destinationPort: 443 });
    const none = await client.actOnVm({ vm, action: 'reroute', why: 'look at it' });
    assert.ok(!none.ok && /no inspection point/.test(none.error.message), JSON.stringify(none));
    const service = { name: 'web', members: [vm], response: { inspection: 'ids' } };
    must(await client.apply({ declaration: { scopes: [{ name: 'shop', services: [service] }] } }));
    const done = must(await client.actOnVm({ vm, action: 'reroute', why: 'look at it' }));
    assert.deepEqual([done.state, done.platform, led()], ['done', 'west', chain], done.evidence);
    const putBack = async (): Promise<number> => must(await client.listPlatforms())[0]?.measures.putBack ?? 0;
    const before = await putBack();
    for (const intent of nsx.nsx.world.redirections.values()) nsx.nsx.world.remove(intent);
    await eventually(async () => (await putBack()) > before);
    assert.equal(led(), chain);
    await undone(done.plan ?? '');
    assert.deepEqual([led(), nsx.nsx.world.redirections.size], [null, 0]);
  });

  test('captured packets are evidence at the manager, over a restart, and are held against their hash', async () => {
    const done = must(await client.actOnVm({ vm: await webVm(), action: 'capture', why: 'what does it say?' }));
    assert.deepEqual([done.state, done.platform], ['done', 'west'], done.evidence);
    assert.match(done.evidence, /card 4000: NSX captures at port .*card 4001: NSX captures/);
    client = connect({ ...(await trial.restart()), by: 'ann' });
    const plan = done.plan ?? '';
    await eventually(async () => must(await client.listPlatforms())[0]?.state === 'reachable');
    await undone(plan);
    const { items } = must(await client.listEvidence({ of: plan }));
    assert.deepEqual(
      items.map(({ host, kind, state, step }) => [host, kind, state, step]),
      [1, 2].map(() => ['platform:west', 'packets', 'kept', done.id]),
    );
    assert.match(items[0]?.note ?? '', /^3 packets at card 400[01] from .*, ended by release/);
    assert.deepEqual(await foundOf(plan), ['whole', 'whole']);
    const files = join(trial.stateDir, 'captures', 'west');
    assert.deepEqual(readdirSync(files), [`${done.id}-4000.pcap`, `${done.id}-4001.pcap`]);
    assert.equal(statSync(files).mode & 0o777, 0o700);
    rmSync(join(files, `${done.id}-4000.pcap`));
    writeFileSync(join(files, `${done.id}-4001.pcap`), Buffer.alloc(items[0]?.sizeBytes ?? 0));
    assert.deepEqual((await foundOf(plan)).toSorted(), ['differs', 'gone']);
    appendFileSync(join(files, `${done.id}-4001.pcap`), 'more');
    assert.deepEqual((await foundOf(plan)).toSorted(), ['differs', 'gone']);
    const said = must(await client.listAudit({ limit: 200 })).items.map(({ verb, by }) => `${verb} ${by}`);
    assert.equal(said.filter((line) => line === 'evidence.collected platform west').length, 2);
  });

  async function foundOf(plan: string): Promise<string[]> {
    const pieces: Uint8Array[] = [];
    for await (const piece of must(await client.downloadEvidence(plan))) pieces.push(piece);
    const bundle = join(directory, 'bundle.tar');
    writeFileSync(bundle, Buffer.concat(pieces));
    const verified = must(await verifyBundle(bundle, must(readTrustList(trial.manager.trust))));
    assert.ok(verified.index.timeline.some(({ source }) => source === 'platform west'));
    return verified.index.collected.map(({ found }) => found);
  }

  test('what NSX has no say over is not offered', async () => {
    const vm = must(await client.listPlatformVms({ platform: 'west' })).find(({ id }) => id === webId);
    const refused = await client.actOnVm({ vm: vm?.vm ?? '', action: 'suspend', why: 'test' });
    assert.ok(!refused.ok || refused.value.state === 'failed', JSON.stringify(refused));
    assert.equal(nsx.nsx.world.vms.get(webId)?.power, 'VM_RUNNING');
  });
});

/** Realising takes its time, and a busy machine takes more. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 30_000; !(await holds()); await sleep(20))
    assert.ok(Date.now() < deadline, 'it did not come true');
}
