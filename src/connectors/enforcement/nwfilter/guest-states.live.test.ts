// Whatever a guest of libvirt's is doing: running or not, kept or not, with one filter now and another at its next start, a copy of
// another guest, or without the card by now.
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startBareDomain } from '../../../../lab/bare-domain.ts';
import { type LibvirtHost, openLibvirtHost } from '../../../../lab/libvirt-host.ts';
import { bridgeName, openSwitchedSegment, type SwitchedSegment } from '../../../../lab/switched-segment.ts';
import type { Quarantine, VmPort } from '../../../model/network-measure.ts';
import type { MeasureOutcome, NetworkEnforcer } from '../network-enforcer.ts';
import { nwfilterEnforcer } from './nwfilter-enforcer.ts';

const patience = {
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  sleep: (ms: number) => wait(ms),
};
const quarantine: Quarantine = { kind: 'quarantine', management: ['10.88.0.3'] };
const mac = '52:54:00:88:00:21';
const tap = 'segbare';

suite('network filters of libvirt’s, whatever the guest does', () => {
  let segment: SwitchedSegment;
  let host: LibvirtHost;

  before(async () => {
    segment = await openSwitchedSegment('bridge');
    const opened = await openLibvirtHost({ namespaceOf: segment.pid });
    assert.ok(opened.ok, opened.ok ? '' : opened.error.message);
    host = opened.value;
  });
  after(async () => {
    await host?.stop();
    await segment?.stop();
  });
  afterEach(async () => {
    for (const name of ['one', 'copy']) await host.remove(name);
    assert.deepEqual(await ours(), [], 'no filter is left behind');
  });

  const virsh = async (...words: readonly string[]): Promise<string> => {
    const said = await host.virsh(...words);
    assert.ok(said.ok, said.ok ? '' : said.error.message);
    return said.value;
  };
  const ours = async (): Promise<readonly string[]> =>
    (await virsh('nwfilter-list')).match(/plumbline-\S+/g)?.map(String) ?? [];
  const card = async (name: string, ...how: readonly string[]): Promise<string> =>
    /<interface[^]*<\/interface>/.exec(await virsh('dumpxml', name, ...how))?.[0] ?? '';
  const filterOf = async (name: string, ...how: readonly string[]): Promise<string | undefined> =>
    /<filterref filter='([^']+)'/.exec(await card(name, ...how))?.[1];
  const inFile = (text: string): string => {
    const file = join(mkdtempSync(join(tmpdir(), 'plumbline-states-')), 'device.xml');
    writeFileSync(file, text);
    return file;
  };

  async function start(more: { readonly card?: string; readonly transient?: boolean } = {}) {
    const started = await startBareDomain(host, { name: 'one', bridge: bridgeName, tap, mac, ...more });
    assert.ok(started.ok, started.ok ? '' : started.error.message);
    const port: VmPort = { vm: started.value, interface: tap, mac, addresses: [], bridge: bridgeName };
    return { port, enforcer: enforcerOf(started.value) };
  }
  const enforcerOf = (uuid: string): NetworkEnforcer =>
    nwfilterEnforcer({ socket: host.socket, uuid, patience, capture: null });

  function isDone(outcome: MeasureOutcome, changed: boolean): void {
    assert.deepEqual([outcome.state, outcome.changed], ['done', changed], outcome.evidence);
  }
  async function inForce(
    enforcer: NetworkEnforcer,
    port: VmPort,
  ): Promise<readonly (readonly [string, string | null])[]> {
    const found = await enforcer.inForce(port);
    assert.ok(found.ok, found.ok ? '' : found.error.message);
    return found.value.map(({ id, missing }) => [id, missing]);
  }

  test('one filter now and another at the next start are there again; off, it is in quarantine when it starts', async () => {
    const { port, enforcer } = await start({ card: `<filterref filter='no-mac-spoofing'/>` });
    const kept = (await card('one', '--inactive')).replace('no-mac-spoofing', 'no-ip-multicast');
    await virsh('update-device', 'one', inFile(kept), '--config');
    isDone(await enforcer.apply(port, 'q', quarantine), true);
    isDone(await enforcer.apply(port, 'q', quarantine), false);
    assert.equal((await ours()).length, 2);
    isDone(await enforcer.release(port, 'q'), true);
    const filters = [await filterOf('one'), await filterOf('one', '--inactive')];
    assert.deepEqual(filters, ['no-mac-spoofing', 'no-ip-multicast']);

    await virsh('destroy', 'one');
    isDone(await enforcer.apply(port, 'off', quarantine), true);
    assert.deepEqual(await inForce(enforcer, port), [['off', null]]);
    await virsh('start', 'one', '--paused');
    assert.deepEqual(await inForce(enforcer, port), [['off', null]]);
    assert.match(await virsh('nwfilter-binding-list'), /segbare\s+plumbline-/);
    await virsh('destroy', 'one');
    isDone(await enforcer.release(port, 'off'), true);
    assert.equal(await filterOf('one', '--inactive'), 'no-ip-multicast');
  });

  test('a copy of a guest in quarantine is freed of what was ordered for the other, who stays in it', async () => {
    const { port, enforcer } = await start();
    isDone(await enforcer.apply(port, 'q', quarantine), true);
    const other = {
      ...port,
      vm: '0f3f6a52-0000-4000-8000-0000000000aa',
      mac: '52:54:00:88:00:22',
      interface: 'segcopy',
    };
    const copy = (await virsh('dumpxml', 'one', '--inactive'))
      .replace(/<name>.*<\/name>/, '<name>copy</name>')
      .replace(/<uuid>.*<\/uuid>/, `<uuid>${other.vm}</uuid>`)
      .replace(mac, other.mac)
      .replace(tap, other.interface);
    await virsh('define', inFile(copy));
    await virsh('start', 'copy', '--paused');
    const ofCopy = enforcerOf(other.vm);
    const stale = await ofCopy.inForce(other);
    assert.ok(stale.ok && stale.value.length === 1 && stale.value[0]?.id === 'q');
    assert.match((await ofCopy.apply(other, 'own', quarantine)).evidence, /ordered for another VM/);
    isDone(await ofCopy.release(other, 'q'), true);
    assert.deepEqual([await filterOf('copy'), await filterOf('copy', '--inactive')], [undefined, undefined]);
    assert.deepEqual(await inForce(enforcer, port), [['q', null]]);
    isDone(await enforcer.release(port, 'q'), true);
  });

  test('what cannot be done is said and leaves nothing; a guest that is not kept is acted on while it runs', async () => {
    const { port, enforcer } = await start({ transient: true });
    const many = Array.from({ length: 60 }, (_, n) => `10.${n}.0.1`);
    const wide = { ...port, addresses: many.slice(0, 3) };
    const refusals = [
      [await enforcer.apply(wide, 'q', { ...quarantine, management: many }), /runs a program for each/],
      [await enforcer.apply({ ...port, interface: 'segother' }, 'q', quarantine), /into segbare, not segother/],
      [await enforcer.apply({ ...port, mac: '52:54:00:88:00:99' }, 'q', quarantine), /knows no card 52:54:00:88:00:99/],
      [await enforcer.apply(port, 'q', { kind: 'reroute', through: bridgeName }), /leads none elsewhere/],
    ] as const;
    for (const [outcome, why] of refusals) assert.match(outcome.evidence, why);
    assert.deepEqual([await ours(), await filterOf('one')], [[], undefined]);
    const nobody = nwfilterEnforcer({ socket: '/nowhere/libvirt-sock', uuid: port.vm, patience, capture: null });
    const abilities = await nobody.capabilities(port);
    assert.ok(abilities.every(({ available, why }) => !available && why !== null));

    isDone(await enforcer.apply(port, 'q', quarantine), true);
    await virsh('destroy', 'one');
    assert.deepEqual(await inForce(enforcer, port), [['q', 'the guest does not have the card']]);
    assert.equal((await enforcer.apply(port, 'again', quarantine)).state, 'failed');
    isDone(await enforcer.release(port, 'q'), true);
  });
});
