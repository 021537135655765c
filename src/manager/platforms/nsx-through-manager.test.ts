// A whole manager against a simulated NSX, by the configuration a person writes: a VM is quarantined at a person's word, as the
// packets that pass show, is held so against a tool that writes over its tags, and undoing opens it again.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
import { passes } from '../../sim/nsx/nsx-packets.ts';
import { readConfiguration } from '../configuration.ts';
import { must, startTrial, type Trial } from '../trial.ts';

suite('a manager with an NSX', () => {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-nsx-'));
  let nsx: NsxTrial;
  let trial: Trial;
  let client: Client;

  before(async () => {
    nsx = await startNsxTrial();
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, `${nsxPassword}\n`, { mode: 0o600 });
    const pin = nsxCertificate.fingerprint;
    const written = `platforms:
  - { name: west, kind: nsx, url: '${nsx.nsx.url}', user: ${nsxUser}, passwordFile: ${passwordFile}, certificateSha256: '${pin}' }
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
