// libvirt without systemd, live: a domain starts on the shop's bridge, answers, survives a revert and is forgotten again.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { sayProblem } from '../src/kit/problem.ts';
import type { Result } from '../src/kit/result.ts';
import { labNetwork } from './gateway/protocol.ts';
import { startGateway, type Gateway } from './gateway.ts';
import { startLibvirtDomain, type LibvirtDomain } from './libvirt-domain.ts';
import { openLibvirtHost, type LibvirtHost } from './libvirt-host.ts';

const needsRoot = { skip: process.getuid?.() === 0 ? false : "libvirt's system daemons need root" };

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

describe('a libvirt domain', needsRoot, () => {
  let gateway: Gateway;
  let host: LibvirtHost;
  let domain: LibvirtDomain;
  before(async () => {
    gateway = must(await startGateway());
    host = must(await openLibvirtHost({ namespaceOf: gateway.pid }));
    domain = must(
      await startLibvirtDomain(host, {
        name: 'one',
        memfd: true,
        network: {
          bridge: labNetwork.bridge,
          tap: 'plbone',
          mac: '52:54:00:77:01:01',
          address: `10.77.0.21/${labNetwork.prefixLength}`,
          gateway: labNetwork.gateway,
        },
      }),
    );
  });
  after(async () => {
    await domain?.remove();
    await host?.stop();
    await gateway?.stop();
  });

  test('is listed by libvirt under the identity the guest itself has', async () => {
    assert.equal(must(await host.virsh('domuuid', domain.name)).trim(), domain.uuid);
    assert.equal((await domain.run('id -u')).out.trim(), '0');
  });

  test('has its memory in a memfd', () => {
    const open = `/proc/${domain.pid()}/fd`;
    const targets = readdirSync(open).map((fd) => readlinkSync(`${open}/${fd}`));
    assert.ok(
      targets.some((target) => target.startsWith('/memfd:memory-backend-memfd')),
      targets.join(' '),
    );
  });

  test('reaches the gateway over the bridge', async () => {
    const outcome = await domain.run(`wget -q -O - http://${labNetwork.gateway}:${labNetwork.servicePort}/offers/one`);
    assert.deepEqual(outcome, { out: '0 none -\n', code: 0 });
  });

  test('is back at its snapshot, in a new process, after a revert', async () => {
    must(await host.virsh('snapshot-create-as', domain.name, 'clean'));
    await domain.run('touch /tmp/later');
    const before = domain.pid();
    must(await host.virsh('snapshot-revert', domain.name, 'clean', '--running'));
    assert.notEqual(domain.pid(), before);
    assert.equal((await domain.run('test -e /tmp/later')).code, 1);
  });

  test('is gone once removed', async () => {
    const pid = domain.pid();
    await domain.remove();
    assert.ok(pid !== undefined && !existsSync(`/proc/${pid}`));
    assert.ok(!must(await host.virsh('list', '--all', '--name')).includes(domain.name));
  });
});
