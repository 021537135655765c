// What cannot be done is said in one sentence with its mend and its own exit code, never as a stack trace.
import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { sharedGuest } from '../lab/shared-guests.ts';
import { makeProduct, until, type Ran } from '../lab/product.ts';

const product = await makeProduct();
const directory = await mkdtemp(join(tmpdir(), 'plumbline-refusals-'));
const children: ChildProcess[] = [];
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await product.remove();
  await rm(directory, { recursive: true, force: true });
});

/** One sentence and a mend, in words; `pattern` is what it must be about. */
function assertRefused({ code, out, err }: Ran, exitCode: number, pattern: RegExp): void {
  assert.equal(code, exitCode, err);
  assert.equal(out, '');
  assert.match(err, pattern);
  assert.match(err.trim(), /[.!?]\s+\S.*[.!?]$/s, `no mend: ${err}`);
  assert.doesNotMatch(err, /\n\s+at |node:internal|\bundefined\b/, 'a stack trace reached the user');
}

/** A machine that never gets further than its firmware: it has nothing to boot. */
async function firmwareOnly(name: string): Promise<{ readonly pid: number; readonly qmp: string }> {
  const qmp = join(directory, `${name}.sock`);
  const args = [
    '-accel',
    'tcg',
    '-nodefaults',
    '-display',
    'none',
    '-name',
    name,
    '-m',
    '64',
    '-qmp',
    `unix:${qmp},server=on,wait=off`,
  ];
  const child = spawn('qemu-system-x86_64', args, { stdio: 'ignore' });
  children.push(child);
  await until(
    'QMP socket',
    10_000,
    () => reachable(qmp),
    (isThere) => isThere,
  );
  return { pid: child.pid as number, qmp };
}

async function reachable(path: string): Promise<boolean> {
  const socket = await dial(path);
  socket?.destroy();
  return socket !== null;
}

function dial(path: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = createConnection(path, () => resolve(socket));
    socket.on('error', () => resolve(null));
  });
}

test('a VM that does not exist: exit 3, and the nearest names', async () => {
  const guest = await sharedGuest('6.1', { hardware: { vcpus: 1 } });
  assertRefused(await product.run('ps', `${guest.name}x`), 3, new RegExp(guest.name));
});

test('a VM that still shows its firmware: exit 4', async () => {
  const { pid } = await firmwareOnly('firmware-prompt');
  assertRefused(await product.run('ps', String(pid)), 4, /firmware|boot/i);
});

test('a monitor that somebody else holds: exit 5', async () => {
  const { pid, qmp } = await firmwareOnly('taken-monitor');
  const holder = await dial(qmp);
  assert.ok(holder);
  try {
    assertRefused(await product.run('sockets', String(pid)), 5, /in use|taken/i);
  } finally {
    holder.destroy();
  }
});

test('memory that this account may not read: exit 5', async () => {
  const guest = await sharedGuest('6.1', { hardware: { vcpus: 1 } });
  // The monitor is open to the account, so that it is the memory that is refused.
  await chmod(guest.qmpSocket, 0o666);
  for (let path = join(guest.qmpSocket, '..'); path !== '/tmp' && path !== '/'; path = join(path, '..'))
    await chmod(path, 0o755);
  const nobody = await new Promise<Ran>((resolve) => {
    const bin = join(import.meta.dirname, '..', 'bin', 'plumbline');
    const argv = ['--reuid=65534', '--regid=65534', '--clear-groups', bin, 'ps', String(guest.pid())];
    execFile(
      'setpriv',
      argv,
      { env: { ...process.env, HOME: '/tmp', PLUMBLINE_STATE: join('/tmp', `plumbline-nobody-${process.pid}`) } },
      (error, out, err) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    );
  });
  assertRefused(nobody, 5, /permi|allow|root|CAP_SYS_PTRACE/i);
});

test('an unknown verb: exit 2, and the nearest', async () => {
  const ran = await product.run('alarmz');
  assert.equal(ran.code, 2);
  assert.match(ran.err, /alarms/);
});
