// Opening a platform: a secret that others could read or change is refused, and so is a server whose certificate nobody pinned.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { selfSignedCertificate } from '../../../lab/self-signed-certificate.ts';
import { SimulatedPlatform } from '../../sim/simulated-platform.ts';
import { openPlatforms, type OpeningParts } from './open-platforms.ts';
import { type PlatformConfiguration, platformFaults } from './platform-configuration.ts';
import type { PlatformAccess } from './platform-table.ts';
import { readSecret } from './read-secret.ts';

const dir = mkdtempSync(join(tmpdir(), 'plumbline-secrets-'));
after(() => rmSync(dir, { recursive: true }));
const fileWith = (name: string, text: string, mode = 0o600): string => {
  const file = join(dir, name);
  writeFileSync(file, text, { mode });
  chmodSync(file, mode);
  return file;
};
const good = fileWith('good', 'pa"ss<w>&\'ord ]]>\n');

test('a secret is read whole, without the line break at its end', async () => {
  assert.deepEqual(await readSecret(good), { ok: true, value: 'pa"ss<w>&\'ord ]]>' });
  const linked = join(dir, 'link');
  symlinkSync(good, linked);
  assert.equal((await readSecret(linked)).ok, true);
  assert.deepEqual(await readSecret(fileWith('spaces', ' s \r\n', 0o400)), { ok: true, value: ' s ' });
});

test('a secret that others may open, that is none or that cannot be read is refused, and never shown', async () => {
  mkdirSync(join(dir, 'folder'), { mode: 0o700 });
  spawnSync('mkfifo', ['-m', '600', join(dir, 'pipe')]);
  const bad: readonly (readonly [string, RegExp])[] = [
    [fileWith('group', 'hush', 0o640), /others than its owner may open it \(mode 640\)/],
    [fileWith('world', 'hush', 0o604), /mode 604/],
    [fileWith('empty', '\n'), /is empty/],
    [fileWith('lines', 'hush\nhush\n'), /more than one line/],
    [fileWith('zero', 'hush\0'), /more than one line/],
    [fileWith('large', 'hush'.repeat(2000)), /larger than 4096 bytes/],
    [join(dir, 'nothing'), /cannot be read/],
    [join(dir, 'folder'), /is not a file/],
    [join(dir, 'pipe'), /is not a file/],
  ];
  for (const [file, message] of bad) {
    const read = await readSecret(file);
    assert.ok(!read.ok, file);
    assert.match(read.error.message, message);
    assert.doesNotMatch(JSON.stringify(read), /hush/);
  }
});

test('a secret that another user owns is refused', { skip: process.getuid?.() !== 0 }, async () => {
  const file = fileWith('other', 'hush');
  chownSync(file, 12_345, 12_345);
  const read = await readSecret(file);
  assert.ok(!read.ok && /belongs to user 12345/.test(read.error.message));
});

const opened: PlatformAccess[] = [];
const parts: OpeningParts = {
  clock: { now: () => 0, monotonic: () => 0 },
  sleep: async () => await Promise.resolve(),
  table: {
    vsphere: {
      secrets: ['password'],
      prices: { quarantine: 'its cards are disconnected' },
      isolationPrices: { quarantine: 'its cards are moved' },
      readFingerprint: 'ask the machine',
      open: (access) => {
        opened.push(access);
        return { ok: true, value: new SimulatedPlatform().open(access) };
      },
    },
  },
};
const configured: PlatformConfiguration = {
  name: 'dc-west',
  kind: 'vsphere',
  url: 'https://vcenter.example/',
  user: 'u',
  passwordFile: good,
  certificateSha256: 'ab'.repeat(32),
};

test('an adapter is handed the address, the secret and the pin', async () => {
  const all = await openPlatforms([configured], parts);
  assert.ok(all.ok, JSON.stringify(all));
  const [{ url, secret, fingerprint } = assert.fail()] = opened;
  assert.deepEqual([url, secret.kind, fingerprint], ['https://vcenter.example', 'password', 'ab'.repeat(32)]);
});

test('an adapter is handed the isolation network, and its quarantine has the price of that', async () => {
  const quarantined = async (isolation: Pick<PlatformConfiguration, 'isolationNetwork'>) => {
    opened.length = 0;
    const all = await openPlatforms([{ ...configured, ...isolation }], parts);
    assert.ok(all.ok, JSON.stringify(all));
    return [opened[0]?.isolationNetwork, all.value[0]?.prices.quarantine];
  };
  assert.deepEqual(await quarantined({}), [null, 'its cards are disconnected']);
  assert.deepEqual(await quarantined({ isolationNetwork: 'dead end' }), ['dead end', 'its cards are moved']);
});

test('without a pin nothing is opened, and the certificate that was seen is named with how to check it', async () => {
  const certificate = selfSignedCertificate();
  let requests = 0;
  const server = createServer(certificate, () => void (requests += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { certificateSha256: _, ...unpinned } = configured;
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  opened.length = 0;
  const refused = await openPlatforms([{ ...unpinned, url }], parts);
  server.close();
  assert.ok(!refused.ok && refused.error.kind === 'refused');
  const said = `${refused.error.message} ${refused.error.mend ?? ''}`;
  assert.ok(said.toUpperCase().includes(certificate.fingerprint.toUpperCase()), said);
  assert.match(said, /Platform dc-west has no certificateSha256.*ask the machine/);
  assert.deepEqual([opened.length, requests], [0, 0]);

  const nobody = await openPlatforms([{ ...unpinned, url: 'https://127.0.0.1:1' }], parts);
  assert.ok(!nobody.ok && /could not be seen: .*ECONNREFUSED/.test(nobody.error.message), JSON.stringify(nobody));
});

test('an inspection point is taken where something can be led, and in the form that it has there', () => {
  const nsx = { ...configured, kind: 'nsx' } as const;
  const faultsOf = (one: PlatformConfiguration): string =>
    platformFaults([one])
      .map(({ message }) => message)
      .join();
  assert.equal(faultsOf({ ...nsx, inspection: { ids: '/infra/service-chains/partner_ids-1.0' } }), '');
  for (const path of ['/infra/service-chains/', '/infra/service-chains/a/b', '/infra/tier-0s/a', '../x', 'a\nb'])
    assert.match(faultsOf({ ...nsx, inspection: { ids: path } }), /is not the path of a service chain/);
  assert.match(faultsOf({ ...configured, inspection: { ids: 'br-x' } }), /nothing is led anywhere .* kind vsphere/);
});

test('of several, one that cannot be opened leaves none open', async () => {
  const other = { ...configured, name: 'other', passwordFile: join(dir, 'nothing') };
  const refused = await openPlatforms([configured, other], parts);
  assert.ok(!refused.ok && refused.error.kind === 'not-found');
  const twice = await openPlatforms([configured, configured], parts);
  assert.ok(!twice.ok && /platforms\.1\.name is the name of platform 0 already/.test(twice.error.message));
});
