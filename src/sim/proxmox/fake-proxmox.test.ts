// The made-up Proxmox VE refuses what the real one refuses, so that what is tried against it means something.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { selfSignedCertificate } from '../../../lab/self-signed-certificate.ts';
import { type HttpsClient, httpsClient } from '../../protocols/https/pinned-request.ts';
import { fakeVm } from './cluster.ts';
import { fakePassword, type FakeProxmox, fakeToken, fakeUser, startFakeProxmox } from './fake-proxmox.ts';

type Verb = 'GET' | 'POST' | 'PUT' | 'DELETE';
const vm = 'nodes/pve1/qemu/100';

suite('A made-up Proxmox VE', () => {
  let fake: FakeProxmox;
  let client: HttpsClient;
  let now = 1_800_000_000_000;
  before(async () => {
    const certificate = selfSignedCertificate();
    fake = await startFakeProxmox({ certificate, vms: [fakeVm('100', 'pve1')], now: () => now });
    const opened = httpsClient({ url: fake.url, fingerprint: certificate.fingerprint });
    assert.ok(opened.ok);
    client = opened.value;
  });
  after(async () => {
    client.close();
    await fake.stop();
  });

  const token = { authorization: `PVEAPIToken=${fakeToken.id}=${fakeToken.secret}` };
  const ask = async (verb: Verb, way: string, body: string | null, headers: Record<string, string> = token) => {
    const asked = {
      method: verb,
      path: `/api2/json/${way}`,
      headers,
      body,
      timeoutMs: 10_000,
      bodyBytesMax: 1_000_000,
    };
    const answer = await client.ask(asked);
    assert.ok(answer.ok, JSON.stringify(answer));
    return answer.value;
  };
  const login = async () => {
    const form = new URLSearchParams({ username: fakeUser, password: fakePassword }).toString();
    const { data } = JSON.parse((await ask('POST', 'access/ticket', form, {})).body) as {
      data: Record<string, string>;
    };
    return {
      cookie: `PVEAuthCookie=${encodeURIComponent(data['ticket'] ?? '')}`,
      csrf: data['CSRFPreventionToken'] ?? '',
    };
  };

  const refused: readonly (readonly [string, Verb, string, string | null, number, RegExp])[] = [
    ['a parameter that is not known', 'POST', `${vm}/status/suspend`, 'force=1', 400, /not defined in schema/],
    ['a parameter that is missing', 'POST', `${vm}/snapshot`, 'vmstate=1', 400, /snapname.*missing/],
    ['a snapshot of a bad name', 'POST', `${vm}/snapshot`, 'snapname=1st', 400, /invalid configuration ID/],
    ['a snapshot of a long name', 'POST', `${vm}/snapshot`, `snapname=${'x'.repeat(41)}`, 400, /40 characters/],
    ['a snapshot of a reserved name', 'POST', `${vm}/snapshot`, 'snapname=current', 500, /reserved/],
    ['a card of no model', 'PUT', `${vm}/config`, 'net0=bridge%3Dvmbr0', 400, /invalid format/],
    [
      'a key twice in a card',
      'PUT',
      `${vm}/config`,
      `net0=${encodeURIComponent('virtio=BC:24:11:00:00:01,rate=1,rate=2')}`,
      400,
      /invalid/,
    ],
    ['notes without end', 'PUT', `${vm}/config`, `description=${'x'.repeat(8193)}`, 400, /8192/],
    ['a stale configuration', 'PUT', `${vm}/config`, 'description=x&digest=00', 500, /checksum mismatch/],
    ['nothing to set', 'PUT', `${vm}/config`, 'digest=', 500, /no options/],
    ['a rule of no kind', 'POST', `${vm}/firewall/rules`, 'type=sideways&action=DROP', 400, /enumeration/],
    [
      'a rule that does what is not known',
      'POST',
      `${vm}/firewall/rules`,
      'type=in&action=LOSE',
      400,
      /unknown action/,
    ],
    ['a port without a protocol', 'POST', `${vm}/firewall/rules`, 'type=in&action=DROP&dport=80', 400, /requires this/],
    [
      'addresses of two families',
      'POST',
      `${vm}/firewall/rules`,
      'type=in&action=DROP&source=1.2.3.4&dest=%3A%3A1',
      400,
      /mixed/,
    ],
    [
      'an address that is none',
      'POST',
      `${vm}/firewall/rules`,
      'type=in&action=DROP&source=1.2.3.4.5',
      400,
      /invalid IP/,
    ],
    ['a rule on a device of the host', 'POST', `${vm}/firewall/rules`, 'type=in&action=DROP&iface=eth0', 400, /regex/],
    ['a rule that is not there', 'DELETE', `${vm}/firewall/rules/7`, null, 500, /no rule at position/],
    ['a VM on another node', 'GET', 'nodes/pve2/qemu/100/config', null, 500, /does not exist/],
    ['a VM of an odd number', 'GET', 'nodes/pve1/qemu/1/config', null, 400, /valid VM ID/],
    ['a method that is none', 'DELETE', `${vm}/config`, null, 501, /none of its methods/],
    ['to skip a lock', 'POST', `${vm}/status/suspend`, 'skiplock=1', 400, /Only root/],
  ];
  for (const [what, verb, way, body, status, why] of refused)
    test(`refuses ${what}`, async () => {
      const answer = await ask(verb, way, body);
      assert.equal(answer.status, status, answer.body);
      assert.match(answer.body, why);
    });

  test('a token that is wrong, a ticket without its counterpart, and one that has expired are refused', async () => {
    assert.equal((await ask('GET', `${vm}/config`, null, { authorization: `${token.authorization}0` })).status, 401);
    const { cookie, csrf } = await login();
    assert.equal((await ask('GET', `${vm}/config`, null, { cookie })).status, 200);
    assert.equal((await ask('PUT', `${vm}/config`, 'name=x', { cookie })).status, 401);
    assert.equal((await ask('PUT', `${vm}/config`, 'name=x', { cookie, csrfpreventiontoken: `${csrf}0` })).status, 401);
    assert.equal((await ask('PUT', `${vm}/config`, 'name=x', { cookie, csrfpreventiontoken: csrf })).status, 200);
    now += 2 * 3_600_000 + 1;
    assert.equal((await ask('GET', `${vm}/config`, null, { cookie })).status, 401);
  });

  test('a new rule comes first and is off; a deletion goes by the digest in the address and not in a body', async () => {
    await ask('POST', `${vm}/firewall/rules`, 'type=in&action=DROP&comment=first');
    await ask('POST', `${vm}/firewall/rules`, 'type=in&action=DROP&comment=second&enable=1&digest=00&pos=5');
    const { rules } = fake.vm('100');
    assert.deepEqual(
      rules.map((rule) => [rule['comment'], rule['enable']]),
      [
        ['second', '1'],
        ['first', '0'],
      ],
    );
    assert.equal((await ask('DELETE', `${vm}/firewall/rules/0?digest=00`, null)).status, 500);
    assert.equal((await ask('DELETE', `${vm}/firewall/rules/0`, 'digest=00')).status, 200);
    assert.equal(rules.length, 1);
  });
});
