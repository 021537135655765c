// The whole way of an attacked VM, with the product as a user starts it and a real guest of a real libvirt: an alarm; its memory kept and a
// fresh image at a person's word; the bundle that shows it; and its own disk back.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { runCommand } from '../lab/commands.ts';
import { type LibvirtDomain, startLibvirtDomain } from '../lab/libvirt-domain.ts';
import { asLibvirtOfItsHost, type LibvirtHost, openLibvirtHost } from '../lab/libvirt-host.ts';
import { makeProduct, until, type RunningUp } from '../lab/product.ts';
import { connectManager } from '../src/cli/connect-manager.ts';
import type { Client } from '../src/client/connect.ts';
import { must } from '../src/manager/trial.ts';
import type { VerifiedBundle } from '../src/manager/evidence/verify-bundle.ts';
import type { Alarm } from '../src/model/alarm.ts';
import type { PlanRun } from '../src/model/plan.ts';
import type { Remediation } from '../src/model/remediation.ts';

const inMemory = 'kept-mark-of-guest';
const bootedMs = 60_000;

suite('an attacked VM', { skip: process.getuid?.() === 0 ? false : 'takes root', timeout: 240_000 }, () => {
  const images = mkdtempSync(join(tmpdir(), 'plumbline-chain-'));
  const golden = join(images, 'golden.qcow2');
  let product: Awaited<ReturnType<typeof makeProduct>>;
  let host: LibvirtHost;
  let guest: LibvirtDomain;
  let up: RunningUp;
  let client: Client;

  before(async () => {
    product = await makeProduct();
    host = must(await openLibvirtHost());
    await makeGolden();
    const [domain, running] = await Promise.all([
      startLibvirtDomain(host, { name: 'chain', memoryMib: 128 }),
      product.up(asLibvirtOfItsHost(host)),
    ]);
    up = running;
    guest = must(domain);
    client = must(await connectManager(product.stateDir, { by: 'ann' }));
    await declare();
  });
  after(async () => {
    await up?.stop();
    await guest?.remove();
    await host?.stop();
    await product?.remove();
    rmSync(images, { recursive: true, force: true });
  });

  async function makeGolden(): Promise<void> {
    const raw = join(images, 'golden.raw');
    writeFileSync(raw, Buffer.concat([Buffer.from('golden\n'), Buffer.alloc(16 * 1024 * 1024 - 7)]));
    must(await runCommand(['qemu-img', 'convert', '-O', 'qcow2', raw, golden]));
    chmodSync(images, 0o755);
    chmodSync(golden, 0o444);
  }

  async function declare(): Promise<void> {
    const file = join(images, 'shop.yaml');
    const service = { name: 'web', members: ['chain'], response: { goldenImage: golden } };
    writeFileSync(file, JSON.stringify({ scopes: [{ name: 'shop', services: [service] }] }));
    await product.json('apply', '-f', file);
    // Freezing is refused as long as nothing was learned.
    await until(
      'something learned',
      40_000,
      () => product.run('protect', 'shop', '--force'),
      ({ code }) => code === 0,
    );
  }

  async function alarmAbout(words: string): Promise<Alarm> {
    const alarms = await until(
      `an alarm about ${words}`,
      30_000,
      async () => must(await client.listAlarms({})).items.filter(({ title }) => title.includes(words)),
      ({ length }) => length > 0,
    );
    return alarms[0] ?? assert.fail();
  }

  /** Of the plan of these actions, when it is in this state. */
  async function planOf(actions: readonly string[], state: PlanRun['state']): Promise<PlanRun> {
    const isIt = ({ plan }: PlanRun): boolean => plan.steps.map(({ action }) => action).join() === actions.join();
    const run = await until(
      `the plan of ${actions.join(', ')} is ${state}`,
      30_000,
      async () => must(await client.listPlans({ vm: guest.uuid })).items.find(isIt),
      (found) => found?.state === state,
    );
    return run ?? assert.fail();
  }

  /** The file behind its disk, as libvirt says of the QEMU that runs. */
  async function diskSeenOutside(): Promise<string> {
    return must(await host.virsh('domblklist', guest.name))
      .trim()
      .replace(/^vda\s+/, '');
  }

  /** SHA-256 of what tar finds under that name, and whether the text is in it. */
  async function unpacked(file: string, member: string, text: string) {
    const tar = spawn('tar', ['-xOf', file, member], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(tar, 'exit');
    const hash = createHash('sha256');
    let before: Buffer = Buffer.alloc(0);
    let holds = false;
    for await (const piece of tar.stdout as AsyncIterable<Buffer>) {
      hash.update(piece);
      holds ||= Buffer.concat([before, piece]).includes(text);
      before = piece.subarray(-text.length);
    }
    assert.deepEqual(await ended, [0, null]);
    return { sha256: hash.digest('hex'), holds };
  }

  test('is put on a fresh image with its memory kept, which a bundle shows, and gets its own disk back', async () => {
    // In two pieces, so that the command line that is in memory as well is not what is found.
    await guest.run(`a=kept-mark; echo "$a-of-guest" > /tmp/mark; echo written > /tmp/w`);
    await guest.run('dd if=/tmp/w of=/dev/vda conv=notrunc,fsync');
    const untouched = createHash('sha256').update(readFileSync(golden)).digest('hex');
    const own = await diskSeenOutside();
    assert.equal(own, guest.disk);
    await guest.run('sleep 9.77 </dev/null >/dev/null 2>&1 & true');
    const alarm = await alarmAbout('sleep 9.77');
    const attacked = guest.pid();

    const answered = await product.json<Remediation>('respond', alarm.id, 're-image', '--memory-first');
    assert.equal(answered.state, 'done', answered.evidence);
    const { plan, steps } = await planOf(['memory-dump', 're-image'], 'done');
    assert.deepEqual([plan.origin, plan.alarm], ['person', alarm.id]);
    const fresh = await diskSeenOutside();
    assert.match(fresh, /\/disk\.qcow2\.plumbline-[0-9a-f]{12}\.qcow2$/);
    assert.ok(answered.evidence.includes(fresh) && answered.evidence.includes(golden), answered.evidence);
    assert.notEqual(guest.pid(), attacked);
    assert.equal((await guest.run('head -n 1 /dev/vda', bootedMs)).out.trim(), 'golden');

    const { step } = await until(
      'the memory is told as kept',
      15_000,
      async () => must(await client.listEvidence({ of: alarm.id })).items.find(({ state }) => state === 'kept') ?? null,
      (item) => item !== null,
    ).then((item) => item ?? assert.fail());
    assert.equal(step, steps[0]?.remediation);
    const file = join(images, 'bundle.tar');
    const exported = await product.json<VerifiedBundle>('evidence', 'export', alarm.id, '-o', file);
    const verified = await product.json<VerifiedBundle>('evidence', 'verify', file);
    for (const { faults, index } of [exported, verified]) assert.deepEqual([faults, index.missing], [[], []]);
    const [item, ...others] = verified.index.collected;
    assert.ok(item !== undefined && others.length === 0 && item.found === 'whole' && item.member !== null);
    assert.equal(item.item.kind, 'memory');
    const kept = await unpacked(file, item.member, inMemory);
    assert.deepEqual(kept, { sha256: item.item.sha256, holds: true });
    assert.ok(steps[0]?.evidence.includes(kept.sha256), 'it is what was hashed when it was collected');
    const told = must(await runCommand(['tar', '-xOf', file, 'documents/remediations.json']));
    const remediations = JSON.parse(told) as readonly Remediation[];
    for (const action of ['memory-dump', 're-image'])
      assert.equal(remediations.find((one) => one.step.action === action)?.state, 'done', action);

    await product.json('undo', plan.id);
    const undone = await planOf(['memory-dump', 're-image'], 'undone');
    assert.match(undone.note, /not taken back: memory-dump/);
    assert.equal(await diskSeenOutside(), own);
    assert.equal(must(await host.virsh('domstate', guest.name)).trim(), 'running');
    const sector = join(images, 'sector');
    must(await runCommand(['qemu-img', 'dd', '-U', '-O', 'raw', 'bs=512', 'count=1', `if=${own}`, `of=${sector}`]));
    assert.equal(readFileSync(sector, 'latin1').split('\n')[0], 'written');
    assert.ok(existsSync(fresh), 'what was written on the fresh one is kept');
    assert.equal(createHash('sha256').update(readFileSync(golden)).digest('hex'), untouched);
  });
});
