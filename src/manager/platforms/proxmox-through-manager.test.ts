// A whole manager against a made-up Proxmox VE, by the configuration a person writes: a VM is quarantined at a person's word, as the
// packets that pass show, is held so against somebody who takes it back, and undoing opens it again.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { quickPace } from '../../../lab/platform-trial.ts';
import { selfSignedCertificate } from '../../../lab/self-signed-certificate.ts';
import { connect, type Client } from '../../client/connect.ts';
import { fakeVm, isLinkDown, passes } from '../../sim/proxmox/cluster.ts';
import { type FakeProxmox, fakeToken, startFakeProxmox } from '../../sim/proxmox/fake-proxmox.ts';
import { readConfiguration } from '../configuration.ts';
import { must, startTrial, type Trial } from '../trial.ts';

suite('a manager with a Proxmox VE', () => {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-proxmox-'));
  const certificate = selfSignedCertificate();
  let fake: FakeProxmox;
  let trial: Trial;
  let client: Client;
  let vm: string;

  before(async () => {
    fake = await startFakeProxmox({ certificate, vms: [fakeVm('100', 'pve1'), fakeVm('101', 'pve2')] });
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, `${fakeToken.secret}\n`, { mode: 0o600 });
    const pin = certificate.fingerprint;
    const written = `platforms:
  - { name: east, kind: proxmox, url: '${fake.url}', user: '${fakeToken.id}', tokenFile: ${tokenFile}, certificateSha256: '${pin}' }
`;
    const configuration = must(readConfiguration(written, 'plumbline.yaml'));
    trial = await startTrial(configuration, { platformPace: { ...quickPace, readMs: 300, holdMs: 300 } });
    client = connect({ ...trial.manager, by: 'ann' });
    await eventually(async () => must(await client.listVms()).length === 2);
    vm = must(await client.listPlatformVms({ platform: 'east' })).find(({ id }) => id === 'qemu/100')?.vm ?? '';
  });

  after(async () => {
    await trial.end();
    await fake.stop();
    rmSync(directory, { recursive: true });
  });

  const isOpen = (): boolean =>
    passes(fake.cluster, fake.vm('100'), 'net0', {
      direction: 'out',
      peer: '10.9.0.12',
      proto: 'tcp',
      peerPort: 443,
      ownPort: 40_000,
    });

  test('quarantined at a person’s word, held against who takes it back, and opened by undoing', async () => {
    assert.equal(isOpen(), true);
    const done = must(await client.actOnVm({ vm, action: 'quarantine', why: 'it beacons' }));
    assert.deepEqual([done.state, done.platform], ['done', 'east'], done.evidence);
    assert.equal(isOpen(), false);

    const { settings, links } = fake.vm('100');
    settings.set('net0', (settings.get('net0') ?? '').replace(',link_down=1', ''));
    links.set('net0', true);
    assert.equal(isOpen(), true, 'somebody took it back');
    await eventually(async () => (must(await client.listPlatforms())[0]?.measures.putBack ?? 0) > 0);
    assert.equal(isOpen(), false);

    const plan = done.plan ?? '';
    must(await client.undo({ answer: plan }));
    await eventually(async () => must(await client.getPlan({ plan })).state === 'undone');
    assert.equal(isOpen(), true);
    assert.equal(isLinkDown(settings, 'net0'), false);
  });

  test('paused and resumed, and the other VM is left alone', async () => {
    const done = must(await client.actOnVm({ vm, action: 'suspend', why: 'it beacons' }));
    assert.equal(done.state, 'done', done.evidence);
    assert.deepEqual([fake.vm('100').qemu, fake.vm('101').qemu], ['paused', 'running']);
    const plan = done.plan ?? '';
    must(await client.undo({ answer: plan }));
    await eventually(async () => must(await client.getPlan({ plan })).state === 'undone');
    assert.equal(fake.vm('100').qemu, 'running');
  });
});

/** A busy machine takes its time. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 30_000; !(await holds()); await sleep(20))
    assert.ok(Date.now() < deadline, 'it did not come true');
}
