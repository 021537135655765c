// A real guest of a real libvirt on a fresh image: what it had written is gone, comes back with its own disk, and the golden image
// stays what it was to the last byte.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { runCommand } from '../../../lab/commands.ts';
import { type LibvirtDomain, startLibvirtDomain } from '../../../lab/libvirt-domain.ts';
import { type LibvirtHost, openLibvirtHost } from '../../../lab/libvirt-host.ts';
import { stableUuid } from '../../../lab/qemu-command.ts';
import type { Enforcer } from '../../connectors/enforcement/enforcer.ts';
import { libvirtEnforcer } from '../../connectors/enforcement/libvirt/libvirt-enforcer.ts';
import { processStart } from '../../introspection/hypervisor/process-scan.ts';
import type { Step } from '../../model/remediation.ts';
import { openLibvirtMonitor } from '../../protocols/libvirt/libvirt-monitor.ts';
import { reimageStep, undoStep } from '../../stages/respond/steps.ts';

const patience = {
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  sleep: (ms: number) => wait(ms),
};

suite('a guest on a fresh image', { skip: process.getuid?.() === 0 ? false : 'takes root' }, () => {
  const images = mkdtempSync(join(tmpdir(), 'plumbline-images-'));
  const golden = join(images, "golden 'a&b'.qcow2");
  let host: LibvirtHost | null = null;
  let guest: LibvirtDomain | null = null;
  const monitors: { close(): void }[] = [];
  after(async () => {
    for (const one of monitors) one.close();
    await guest?.remove();
    await host?.stop();
    rmSync(images, { recursive: true, force: true });
  });

  async function open(): Promise<{ readonly host: LibvirtHost; readonly guest: LibvirtDomain }> {
    const opened = await openLibvirtHost();
    assert.ok(opened.ok, opened.ok ? '' : opened.error.message);
    host = opened.value;
    const started = await startLibvirtDomain(host, { name: 'fresh' });
    assert.ok(started.ok, started.ok ? '' : started.error.message);
    guest = started.value;
    return { host, guest };
  }

  async function makeGolden(): Promise<void> {
    const raw = join(images, 'golden.raw');
    writeFileSync(raw, Buffer.concat([Buffer.from('golden\n'), Buffer.alloc(16 * 1024 * 1024 - 7)]));
    const made = await runCommand(['qemu-img', 'convert', '-O', 'qcow2', raw, golden]);
    assert.ok(made.ok, made.ok ? '' : made.error.message);
    chmodSync(images, 0o755);
    chmodSync(golden, 0o444);
  }

  const hash = () => createHash('sha256').update(readFileSync(golden)).digest('hex');

  /** Of the QEMU that runs now. */
  async function enforcerOf(on: LibvirtHost, uuid: string, pid: number | undefined): Promise<Enforcer> {
    assert.ok(pid !== undefined, 'the domain does not run');
    const monitor = await openLibvirtMonitor(on.socket, uuid);
    assert.ok(monitor.ok, monitor.ok ? '' : monitor.error.message);
    monitors.push(monitor.value);
    const ticks = processStart(pid);
    const alive = () => processStart(pid) === ticks;
    return libvirtEnforcer({ socket: on.socket, uuid, monitor: monitor.value, alive, patience, pid });
  }

  async function done(enforcer: Enforcer, step: Step): Promise<string> {
    const outcome = await enforcer.act(step);
    assert.equal(outcome.state, 'done', outcome.evidence);
    return outcome.evidence;
  }

  test('loses what it wrote, and finds it again on its own disk', { timeout: 240_000 }, async () => {
    await makeGolden();
    const before = hash();
    const { host: on, guest: vm } = await open();
    const wrote = async () => (await vm.run('head -n 1 /dev/vda')).out.trim();
    await vm.run('echo written > /tmp/mark; dd if=/tmp/mark of=/dev/vda conv=notrunc,fsync');
    assert.equal(await wrote(), 'written');
    const pid = vm.pid();
    const first = await enforcerOf(on, vm.uuid, pid);
    const step = reimageStep(golden, 'name:fresh', 'w', 'one');
    const undo = undoStep(step, step.id, 'w') ?? assert.fail();

    for (const [image, why] of [
      [vm.disk, /own disk|may be written to/],
      ['/none', /cannot be read/],
    ] as const) {
      const refused = await first.act({ ...step, image });
      assert.deepEqual([refused.state, why.test(refused.evidence)], ['failed', true], refused.evidence);
    }
    assert.match((await first.act(undo)).evidence, /which Plumbline did not put it on/);
    assert.equal(vm.pid(), pid);

    const said = await done(first, step);
    const overlay = `${vm.disk}.plumbline-${step.id.slice(0, 12)}.qcow2`;
    for (const part of [overlay, golden, `${vm.disk}, is kept`]) assert.ok(said.includes(part), said);
    const fresh = vm.pid();
    assert.notEqual(fresh, pid);
    assert.equal(await wrote(), 'golden');
    await vm.run('echo after > /tmp/mark; dd if=/tmp/mark of=/dev/vda conv=notrunc,fsync');

    // By whoever asks, also by the enforcer of the QEMU that has ended.
    const second = await enforcerOf(on, vm.uuid, fresh);
    for (const again of [second, first]) assert.match(await done(again, step), /already so/);
    assert.equal(vm.pid(), fresh);
    const able = await second.capabilities();
    assert.equal(able.find(({ action }) => action === 'undo-re-image')?.available, true);

    assert.match(await done(second, undo), /on its own disk|again/);
    assert.notEqual(vm.pid(), fresh);
    assert.equal(await wrote(), 'written');
    const third = await enforcerOf(on, vm.uuid, vm.pid());
    assert.match(await done(third, undo), /already so/);
    assert.ok(existsSync(overlay));
    assert.equal(hash(), before);

    // A disk that was used is not taken for a fresh one.
    assert.match((await third.act(step)).evidence, /no empty overlay/);
  });

  test('goes on where it broke off', { timeout: 240_000 }, async () => {
    assert.ok(host !== null && guest !== null);
    const [on, vm] = [host, guest];
    const step = reimageStep(golden, 'name:fresh', 'w', 'two');
    const overlay = `${vm.disk}.plumbline-${step.id.slice(0, 12)}.qcow2`;
    const enforcer = await enforcerOf(on, vm.uuid, vm.pid());
    // As after a crash between the two: the definition has the fresh disk, and the VM has ended.
    const made = await runCommand(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', golden, '-F', 'qcow2', overlay]);
    assert.ok(made.ok);
    const xml = await on.virsh('dumpxml', '--inactive', vm.name);
    assert.ok(xml.ok);
    const definition = join(images, 'domain.xml');
    writeFileSync(definition, xml.value.replace(`${vm.disk}'`, `${overlay}'`));
    for (const words of [
      ['define', definition],
      ['destroy', vm.name],
    ])
      assert.ok((await on.virsh(...words)).ok);
    assert.match(await done(enforcer, step), /in a new QEMU on/);
    const pid = vm.pid();
    assert.match(await done(enforcer, step), /already so/);
    assert.equal(vm.pid(), pid);
  });

  test('is not offered where it could not be started again, or has more than one disk', async () => {
    assert.ok(host !== null);
    const on = host;
    const disk = (name: string, target: string) =>
      `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${join(images, name)}'/><target dev='${target}'/></disk>`;
    for (const name of ['a', 'b', 'c'])
      assert.ok((await runCommand(['qemu-img', 'create', '-q', '-f', 'qcow2', join(images, name), '1M'])).ok);
    const domains = [
      ['passing', [['create', '--paused']], disk('a', 'vda'), /forgets the domain/],
      ['twofold', [['define'], ['start', '--paused']], disk('b', 'vda') + disk('c', 'vdb'), /2 writable disks/],
    ] as const;
    for (const [name, steps, disks, why] of domains) {
      const file = join(images, `${name}.xml`);
      const uuid = stableUuid(name);
      writeFileSync(
        file,
        `<domain type='qemu'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>16</memory>
          <os><type arch='x86_64' machine='pc'>hvm</type></os><devices>${disks}<memballoon model='none'/></devices></domain>`,
      );
      for (const [verb, ...options] of steps) {
        const said = await on.virsh(verb, verb === 'start' ? name : file, ...options);
        assert.ok(said.ok, said.ok ? '' : said.error.message);
      }
      const pid = on.pidOf(name);
      const enforcer = await enforcerOf(on, uuid, pid);
      const offer = (await enforcer.capabilities()).find(({ action }) => action === 're-image');
      assert.match(offer?.why ?? '', why);
      const refused = await enforcer.act(reimageStep(golden, `name:${name}`, 'w', 's'));
      assert.deepEqual([refused.state, on.pidOf(name)], ['failed', pid]);
      assert.match(refused.evidence, why);
    }
  });
});
