// The host's process table, made up in a directory: what counts as a guest and how its monitor is reached.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { processStart, scanProcesses } from './process-scan.ts';

const procRoot = mkdtempSync(join(tmpdir(), 'plumbline-proc-'));
after(() => rmSync(procRoot, { recursive: true, force: true }));

function add(
  pid: number,
  argv: readonly string[],
  options: { readonly state?: string; readonly cwd?: string } = {},
): void {
  const directory = join(procRoot, String(pid));
  mkdirSync(directory);
  writeFileSync(join(directory, 'cmdline'), argv.map((word) => `${word}\0`).join(''));
  const fields = [options.state ?? 'S', ...Array.from({ length: 18 }, () => '0'), String(1000 + pid), '0'];
  writeFileSync(join(directory, 'stat'), `${pid} (a (strange) name) ${fields.join(' ')}\n`);
  if (options.cwd !== undefined) symlinkSync(options.cwd, join(directory, 'cwd'));
}

add(30, [
  '/usr/bin/qemu-system-x86_64',
  '-name',
  'guest=web,debug-threads=on',
  '-qmp',
  'unix:/run/web.qmp,server=on',
  '-qmp',
  'unix:/run/web2.qmp',
  '-m',
  '512',
]);
add(4, ['/usr/libexec/qemu-kvm', '-qmp', 'unix:run/x.qmp,server'], { cwd: '/srv/vm' });
add(5, ['qemu-system-x86_64', '-qmp', 'unix:lost.qmp']);
add(6, [
  'qemu-system-aarch64',
  '-name',
  'arm',
  '-uuid',
  'ABCDEF00-0000-0000-0000-000000000000',
  '-chardev',
  'socket,id=m,fd=3',
  '-mon',
  'chardev=m,mode=control',
]);
add(7, ['qemu-system-x86_64', '-S']);
add(8, ['qemu-system-x86_64', '-name', 'dead', '-qmp', 'unix:/d'], { state: 'Z' });
add(9, ['vim', 'qemu-system-x86_64']);
add(10, []);
mkdirSync(join(procRoot, '11'));
mkdirSync(join(procRoot, 'self'));

test('QEMU processes are found, by pid, with their monitors; everything else is left alone', () => {
  const found = scanProcesses({ procRoot, libvirtSocket: '/run/libvirt/sock' });
  assert.ok(found.ok);
  assert.deepEqual(
    found.value.map(({ pid, name, startTicks, monitor }) => [pid, name, startTicks, monitor]),
    [
      [4, 'qemu-4', 1004, { kind: 'qmp', path: '/srv/vm/run/x.qmp', others: [] }],
      [
        5,
        'qemu-5',
        1005,
        { kind: 'none', why: 'its QMP socket lost.qmp is relative to a directory that cannot be read' },
      ],
      [
        6,
        'arm',
        1006,
        { kind: 'libvirt', socket: '/run/libvirt/sock', domain: 'arm', uuid: 'abcdef00-0000-0000-0000-000000000000' },
      ],
      [7, 'qemu-7', 1007, { kind: 'none', why: 'QEMU was started without a QMP unix socket' }],
      [30, 'web', 1030, { kind: 'qmp', path: '/run/web.qmp', others: ['/run/web2.qmp'] }],
    ],
  );
});

test('a process is told by when it started; one that is gone or a zombie has no start', () => {
  assert.equal(processStart(30, procRoot), 1030);
  assert.equal(processStart(8, procRoot), null);
  assert.equal(processStart(12_345, procRoot), null);
  assert.equal(typeof processStart(process.pid), 'number');
});

test('a host without a process table is a problem', () => {
  const found = scanProcesses({ procRoot: join(procRoot, 'nowhere') });
  assert.ok(!found.ok && found.error.kind === 'failed');
});
