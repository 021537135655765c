// The life of a session on real machines: pasts loaded from snapshots, kernels replaced without a word, firmware, monitors that
// are taken, memory that may not be read, guests of libvirt.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../lab/guest.ts';
import { startLibvirtDomain } from '../../lab/libvirt-domain.ts';
import { openLibvirtHost } from '../../lab/libvirt-host.ts';
import { bootPlainGuest } from '../../lab/plain-guest.ts';
import { sayProblem } from '../kit/problem.ts';
import type { Result } from '../kit/result.ts';
import { openVirshMonitor } from '../protocols/libvirt/virsh-monitor.ts';
import { openQmp } from '../protocols/qmp/qmp-client.ts';
import type { GuestHandle } from './hypervisor/guest-handle.ts';
import { openMonitor } from './hypervisor/open-monitor.ts';
import { attach, findGuests } from './introspection.ts';
import { openQemuMemory } from './memory/qemu-memory.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const directory = mkdtempSync(join(tmpdir(), 'plumbline-session-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const options = { clock, profileDirectory: directory };
const asRoot = { skip: process.getuid?.() === 0 ? false : 'needs root' };

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

function handleOf(pid: number | undefined, libvirtSocket?: string): GuestHandle {
  const handle = must(findGuests(libvirtSocket === undefined ? {} : { libvirtSocket })).find(
    (found) => found.pid === pid,
  );
  assert.ok(handle !== undefined, `no guest has the process id ${pid}`);
  return handle;
}

describe('a running guest', { timeout: 240_000 }, () => {
  let guest: Guest;
  before(async () => {
    guest = must(await bootPlainGuest({ kernel: '6.1', name: 'session' }));
  });
  after(() => guest?.stop());

  test('that is loaded from a snapshot is another system', async () => {
    const session = must(await attach(handleOf(guest.pid()), options));
    must(await guest.snapshot('past'));
    await guest.run('workload execs 5');
    assert.deepEqual(await session.check(), { state: 'same' });
    must(await guest.revert('past'));
    const told = await session.check();
    assert.deepEqual(told, { state: 'changed', why: 'the guest’s time went back: a snapshot was loaded' });
    assert.ok(!session.sweep().ok);
    session.close();
  });

  test('whose kernel is replaced without an event (kexec) is another system', async () => {
    const real = must(await openMonitor(handleOf(guest.pid())));
    const deaf = {
      ...options,
      monitor: {
        execute: real.execute.bind(real),
        hmp: real.hmp.bind(real),
        subscribe: () => () => {},
        closed: real.closed,
        close() {},
      },
    };
    const session = must(await attach(handleOf(guest.pid()), deaf));
    await guest.qmp().execute('system_reset');
    const deadline = performance.now() + 60_000;
    let told = await session.check();
    while ((told.state === 'same' || told.state === 'unknown') && performance.now() < deadline) {
      await wait(100);
      told = await session.check();
    }
    assert.equal(told.state, 'changed');
    session.close();
    real.close();
  });

  test('has its memory read only by who may', asRoot, () => {
    process.seteuid?.('nobody');
    const refused = openQemuMemory(guest.pid() ?? 0, [
      { start: 0, end: 4096, block: 'ram', blockOffset: 0, hostAddress: 4096 },
    ]);
    process.seteuid?.(0);
    assert.ok(!refused.ok);
    assert.equal(refused.error.kind, 'refused');
    assert.match(refused.error.mend ?? '', /CAP_SYS_PTRACE/);
  });
});

describe('a machine without a system', { timeout: 60_000 }, () => {
  const socket = join(directory, 'firmware.qmp');
  let machine: ChildProcess;
  before(async () => {
    const argv = [
      '-name',
      'firmware',
      '-accel',
      'tcg',
      '-m',
      '32',
      '-display',
      'none',
      '-nodefaults',
      '-qmp',
      `unix:${socket},server=on,wait=off`,
    ];
    machine = spawn('qemu-system-x86_64', argv, { stdio: 'ignore' });
    await wait(1500);
  });
  after(() => machine.kill('SIGKILL'));

  test('is said to be in its firmware', async () => {
    const attached = await attach(handleOf(machine.pid), options);
    assert.ok(!attached.ok);
    assert.equal(attached.error.kind, 'unreadable');
    assert.match(attached.error.message, /firmware/);
  });

  test('whose monitor is taken is said to be in use', async () => {
    const other = must(await openQmp(socket));
    const began = performance.now();
    const attached = await attach(handleOf(machine.pid), options);
    assert.ok(!attached.ok);
    assert.equal(attached.error.kind, 'refused');
    assert.match(attached.error.message, /in use by someone else/);
    assert.ok(performance.now() - began < 4000);
    other.close();
    await wait(100);
    assert.ok((await openQmp(socket)).ok);
  });

  test('with encrypted memory is not even tried', async () => {
    const attached = await attach({ ...handleOf(machine.pid), confidential: 'sev-snp' }, options);
    assert.ok(!attached.ok);
    assert.match(attached.error.message, /encrypted by the processor \(SEV-SNP\)/);
  });
});

describe('a guest of libvirt', { ...asRoot, timeout: 240_000 }, () => {
  test('is found, attached to, swept and followed through libvirt', async () => {
    const host = must(await openLibvirtHost());
    try {
      const domain = must(await startLibvirtDomain(host, { name: 'introspected', memfd: true }));
      const handle = handleOf(domain.pid(), host.socket);
      assert.equal(handle.monitor.kind, 'libvirt');
      assert.equal(handle.uuid, domain.uuid);
      const session = must(await attach(handle, options));
      const sweep = must(session.sweep());
      assert.ok(
        sweep.complete && sweep.tasks.some((task) => task.pid === 1 && task.exe === '/bin/busybox'),
        JSON.stringify(sweep.notes),
      );
      assert.deepEqual(await session.check(), { state: 'same' });
      const byVirsh = must(await openVirshMonitor(host.socket, domain.uuid));
      const events: string[] = [];
      byVirsh.subscribe((event) => events.push(event.name));
      assert.match(must(await byVirsh.hmp('info registers')), /CR3=/);
      const refused = await byVirsh.execute('nonsense');
      assert.ok(!refused.ok && refused.error.qemuClass === 'CommandNotFound');
      await wait(500);
      must(await byVirsh.execute('stop'));
      must(await byVirsh.execute('cont'));
      await wait(500);
      assert.deepEqual(events, ['STOP', 'RESUME']);
      byVirsh.close();
      assert.equal(await byVirsh.closed, null);
      await domain.remove();
      assert.match((await session.monitor?.closed)?.message ?? '', /has stopped/);
      assert.equal((await session.check()).state, 'gone');
      session.close();
    } finally {
      await host.stop();
    }
  });
});
