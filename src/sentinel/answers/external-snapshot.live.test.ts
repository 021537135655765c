// A real guest of a real libvirt whose raw disk can hold no snapshot: one is made outside it and gone back to, in memory and on the disk,
// and the disk itself stays what it was to the last byte.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { runCommand } from '../../../lab/commands.ts';
import { type LibvirtDomain, startLibvirtDomain } from '../../../lab/libvirt-domain.ts';
import { type LibvirtHost, openLibvirtHost } from '../../../lab/libvirt-host.ts';
import { stableUuid } from '../../../lab/qemu-command.ts';
import type { Enforcer } from '../../connectors/enforcement/enforcer.ts';
import { type EvidenceLimits, EvidenceRoom } from '../../connectors/enforcement/evidence-room.ts';
import { libvirtEnforcer } from '../../connectors/enforcement/libvirt/libvirt-enforcer.ts';
import type { MemoryDumpOptions } from '../../connectors/enforcement/memory-dump.ts';
import { processStart } from '../../introspection/hypervisor/process-scan.ts';
import type { Step } from '../../model/remediation.ts';
import { openLibvirtMonitor } from '../../protocols/libvirt/libvirt-monitor.ts';
import { qemuSource } from '../watch/qemu-source.ts';
import { reimageStep, revertStep, stepFor, undoStep } from '../../stages/respond/steps.ts';

const patience = {
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  sleep: (ms: number) => wait(ms),
};
const vmName = 'name:aside';

suite('a guest whose disk can hold no snapshot', { skip: process.getuid?.() === 0 ? false : 'takes root' }, () => {
  const home = mkdtempSync(join(tmpdir(), 'plumbline-aside-'));
  const evidence = join(home, "kept 'a&b'");
  let host: LibvirtHost | null = null;
  let guest: LibvirtDomain | null = null;
  const monitors: { close(): void }[] = [];
  after(async () => {
    for (const one of monitors) one.close();
    await guest?.remove();
    await host?.stop();
    rmSync(home, { recursive: true, force: true });
  });

  async function open(): Promise<LibvirtDomain> {
    if (guest !== null) return guest;
    chmodSync(home, 0o755);
    mkdirSync(evidence, { mode: 0o700 });
    const opened = await openLibvirtHost();
    assert.ok(opened.ok, opened.ok ? '' : opened.error.message);
    host = opened.value;
    const started = await startLibvirtDomain(host, { name: 'aside', diskFormat: 'raw', memoryMib: 128 });
    assert.ok(started.ok, started.ok ? '' : started.error.message);
    guest = started.value;
    return guest;
  }

  const roomOf = (limits: Partial<EvidenceLimits> = {}) => new EvidenceRoom(evidence, { freeBytes: 0, ...limits });

  /** Of the QEMU that runs now. */
  async function enforcerOf(options: MemoryDumpOptions = { room: roomOf() }): Promise<Enforcer> {
    assert.ok(host !== null && guest !== null);
    const [{ socket }, { uuid }, pid] = [host, guest, guest.pid()];
    assert.ok(pid !== undefined, 'the domain does not run');
    const monitor = await openLibvirtMonitor(socket, uuid);
    assert.ok(monitor.ok, monitor.ok ? '' : monitor.error.message);
    monitors.push(monitor.value);
    const ticks = processStart(pid);
    const alive = () => processStart(pid) === ticks;
    return libvirtEnforcer({ socket, uuid, monitor: monitor.value, alive, patience, pid, evidence: options });
  }

  async function done(step: Step): Promise<string> {
    const outcome = await (await enforcerOf()).act(step);
    assert.equal(outcome.state, 'done', outcome.evidence);
    return outcome.evidence;
  }

  async function virsh(...words: readonly string[]): Promise<string> {
    const said = await (host ?? assert.fail()).virsh(...words);
    assert.ok(said.ok, said.ok ? '' : said.error.message);
    return said.value.trim();
  }

  const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
  const write = (vm: LibvirtDomain, word: string) =>
    vm.run(`echo ${word} > /tmp/mark; cp /tmp/mark /tmp/when; dd if=/tmp/mark of=/dev/vda conv=notrunc,fsync`);
  /** Of the memory, and of the disk as it is behind what the guest remembers of it. */
  const wrote = async (vm: LibvirtDomain) =>
    (await vm.run('echo 3 > /proc/sys/vm/drop_caches; cat /tmp/when; head -n 1 /dev/vda')).out.trim().split('\n');

  const first = stepFor('snapshot', vmName, 'w', 'one');
  const name = first.snapshot ?? '';
  const back = revertStep(name, vmName, 'w', 'one');
  let since = '';
  let fresh = '';
  let baseHash = '';

  test('is left as it was when the snapshot cannot be made', { timeout: 240_000 }, async () => {
    const vm = await open();
    await write(vm, 'before');
    const pid = vm.pid();
    const files = readdirSync(dirname(vm.disk));
    const attempts: readonly (readonly [MemoryDumpOptions, RegExp])[] = [
      [{ room: roomOf({ keptBytes: 1 }) }, /are more than 1/],
      [{ room: roomOf(), pace: { leastMs: 1, slowestRate: 1e12 } }, /took longer than/],
      [{ room: roomOf(), cancelled: AbortSignal.abort() }, /sentinel is stopping/],
    ];
    for (const [options, why] of attempts) {
      const outcome = await (await enforcerOf(options)).act(first);
      assert.equal(outcome.state, 'failed', outcome.evidence);
      assert.match(outcome.evidence, why);
      assert.deepEqual(readdirSync(dirname(vm.disk)), files);
      assert.deepEqual(readdirSync(evidence), []);
      assert.equal(await virsh('domstate', vm.name), 'running');
      assert.equal(await virsh('snapshot-list', vm.name, '--name'), '');
    }
    assert.equal(vm.pid(), pid);
    assert.match((await (await enforcerOf()).act(back)).evidence, /no snapshot/);
  });

  test('goes back to it, in memory and on the disk, which is written to no more', { timeout: 240_000 }, async () => {
    const vm = await open();
    const offers = await (await enforcerOf()).capabilities();
    const offer = offers.find(({ action }) => action === 'snapshot');
    assert.ok(offer?.available === true && /an external one.* is raw/.test(offer.why ?? ''), JSON.stringify(offer));
    assert.equal(offers.find(({ action }) => action === 'revert')?.available, true);

    const said = await done(first);
    since = `${vm.disk}.${name}.since.qcow2`;
    const memory = join(evidence, `${vm.uuid}.${name}.save`);
    for (const part of [`vda goes on in ${since} over ${vm.disk}`, memory, 'running as before'])
      assert.ok(said.includes(part), said);
    assert.equal(await virsh('snapshot-list', vm.name, '--name', '--external'), name);
    for (const form of [[], ['--inactive']]) assert.ok((await virsh('dumpxml', vm.name, ...form)).includes(since));
    baseHash = hash(vm.disk);
    assert.match(await done(first), /already so/);

    await write(vm, 'after');
    assert.deepEqual(await wrote(vm), ['after', 'after']);
    const pid = vm.pid();
    const went = await done(back);
    fresh = `${vm.disk}.${name}.back-${back.id.slice(0, 12)}.qcow2`;
    for (const part of [`with the memory of ${memory}`, `vda on ${fresh} over ${vm.disk}`, `is kept: ${since}`])
      assert.ok(went.includes(part), went);
    assert.notEqual(vm.pid(), pid);
    assert.deepEqual(await wrote(vm), ['before', 'before']);
    assert.ok(readFileSync(since).includes('after\n'), 'what was written since is kept');
    assert.equal(hash(vm.disk), baseHash);
    const now = vm.pid();
    assert.match(await done(back), /already so/);
    assert.equal(vm.pid(), now);
  });

  test('has its next one within the overlay, and goes back to that', { timeout: 240_000 }, async () => {
    const vm = await open();
    await write(vm, 'later');
    const next = stepFor('snapshot', vmName, 'w', 'two');
    await done(next);
    assert.deepEqual((await virsh('snapshot-list', vm.name, '--name', '--internal')).split('\n'), [next.snapshot]);
    await write(vm, 'last');
    await done(revertStep(next.snapshot ?? '', vmName, 'w', 'two'));
    assert.deepEqual(await wrote(vm), ['later', 'later']);
    assert.equal(hash(vm.disk), baseHash);
  });

  test('is saved and off, outlives whoever saved it, and goes on from there', { timeout: 240_000 }, async () => {
    const vm = await open();
    const { socket } = host ?? assert.fail();
    const source = qemuSource({
      ...patience,
      profileDirectory: null,
      stubDirectory: '/nowhere',
      libvirtSocket: socket,
    });
    const kept = async () => (await source.kept?.(vm.uuid)) ?? null;
    assert.equal(await kept(), null, 'one that runs is not kept');
    await write(vm, 'saved');
    const step = stepFor('save', vmName, 'w', 'one');
    const undo = undoStep(step, step.id, 'w') ?? assert.fail();
    const running = await enforcerOf();
    assert.match((await running.act(undo)).evidence, /already so/);
    assert.match(await done(step), /off, no process of it runs, and libvirt has its memory/);
    assert.deepEqual([await virsh('domstate', vm.name), vm.pid()], ['shut off', undefined]);
    assert.match((await running.act(step)).evidence, /already so/);

    const off = (await kept()) ?? assert.fail('it is not kept');
    assert.deepEqual(
      (await off.capabilities()).map(({ action, available }) => [action, available]),
      [['undo-save', true]],
    );
    assert.match((await off.act(stepFor('suspend', vmName, 'w', 'one'))).evidence, /does not run/);
    const again = await off.act(undo);
    assert.equal(again.state, 'done', again.evidence);
    assert.match(again.evidence, /took its memory in/);
    assert.deepEqual(await wrote(vm), ['saved', 'saved']);
    assert.match(await done(undo), /already so/);
    // One that was ended and not saved would start without its memory.
    for (const other of [stableUuid('nobody'), 'name:aside', "'; x"]) assert.equal(await source.kept?.(other), null);
  });

  test('is put on a fresh image and on its overlay again, and the way back stays', { timeout: 240_000 }, async () => {
    const vm = await open();
    const golden = join(home, 'golden.qcow2');
    assert.ok((await runCommand(['qemu-img', 'create', '-q', '-f', 'qcow2', golden, '16M'])).ok);
    chmodSync(golden, 0o444);
    const image = reimageStep(golden, vmName, 'w', 'three');
    assert.ok((await done(image)).includes(`the disk before, ${fresh}, is kept`));
    const undo = undoStep(image, image.id, 'w') ?? assert.fail();
    assert.ok((await done(undo)).includes(`on ${fresh} again`));
    // There is nothing more to take back: the disk below is the snapshot's.
    const none = await (await enforcerOf()).act({ ...undo, lifts: 'abcdef012345' });
    assert.match(none.evidence, /which Plumbline did not put it on/);
    assert.equal(hash(vm.disk), baseHash);
  });

  test('starts on its disk, and says so, when the memory cannot be taken in', { timeout: 240_000 }, async () => {
    const vm = await open();
    const memory = join(evidence, `${vm.uuid}.${name}.save`);
    truncateSync(memory, 1024 * 1024);
    const went = await done(revertStep(name, vmName, 'w', 'cold'));
    assert.match(went, /started anew .* WITHOUT its memory/);
    assert.equal(await virsh('domstate', vm.name), 'running');
    assert.ok((await virsh('dumpxml', vm.name)).includes('.back-'));
    assert.equal(hash(vm.disk), baseHash);
  });

  test('is not put back on a disk that was written to, nor to what is not whole', async () => {
    const vm = await open();
    const pid = vm.pid();
    const step = revertStep(name, vmName, 'w', 'late');
    const soon = new Date(Date.now() + 60_000);
    utimesSync(vm.disk, soon, soon);
    const changed = await (await enforcerOf()).act(step);
    assert.deepEqual([changed.state, vm.pid()], ['failed', pid], changed.evidence);
    assert.match(changed.evidence, /was written to after the snapshot/);
    rmSync(join(evidence, `${vm.uuid}.${name}.save`));
    assert.match((await (await enforcerOf()).act(step)).evidence, /no snapshot/);
    assert.match((await (await enforcerOf()).act(first)).evidence, /already exists/);
    assert.ok(existsSync(since));
    assert.equal(vm.pid(), pid);
  });
});
