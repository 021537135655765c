// The initramfs all lab guests start from: a static busybox, the lab's programs and the kernel's virtio drivers.
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { ok, type Result } from '../src/kit/result.ts';
import { cached, fingerprint } from './cache.ts';
import { runCommand } from './commands.ts';
import { packCpio, type CpioEntry } from './cpio.ts';
import { guestProgram } from './guest-programs.ts';
import type { Kernel } from './kernels.ts';

const busybox = '/bin/busybox';
const compress = promisify(gzip);

/** uid of the unprivileged account of a plain guest. */
export const plainUserId = 1000;

/** Path of the initramfs for a kernel; made once per content. */
export async function buildInitramfs(kernel: Kernel): Promise<Result<string>> {
  const applets = await runCommand([busybox, '--list-full']);
  if (!applets.ok) return applets;
  const agent = await guestProgram('lab-agent');
  if (!agent.ok) return agent;
  const workload = await guestProgram('workload');
  if (!workload.ok) return workload;
  const procLook = await guestProgram('proc-look');
  if (!procLook.ok) return procLook;
  const oddCode = await guestProgram('odd-code');
  if (!oddCode.ok) return oddCode;
  const attempts = await guestProgram('attempts');
  if (!attempts.ok) return attempts;
  const firstWrite = await guestProgram('first-write');
  if (!firstWrite.ok) return firstWrite;
  const archive = packCpio([
    ...skeleton,
    ...(await imageFiles()),
    { kind: 'file', path: 'bin/busybox', content: await readFile(busybox), mode: 0o755 },
    ...appletLinks(applets.value),
    { kind: 'file', path: 'sbin/lab-agent', content: await readFile(agent.value), mode: 0o755 },
    { kind: 'file', path: 'bin/workload', content: await readFile(workload.value), mode: 0o755 },
    { kind: 'file', path: 'bin/proc-look', content: await readFile(procLook.value), mode: 0o755 },
    { kind: 'file', path: 'bin/odd-code', content: await readFile(oddCode.value), mode: 0o755 },
    { kind: 'file', path: 'bin/attempts', content: await readFile(attempts.value), mode: 0o755 },
    { kind: 'file', path: 'bin/first-write', content: await readFile(firstWrite.value), mode: 0o755 },
    ...(await moduleFiles(kernel)),
  ]);
  const place = await cached(`initramfs/${kernel.version}-${fingerprint(archive)}`, async (directory) => {
    await writeFile(join(directory, 'initramfs.gz'), await compress(archive, { level: 6 }));
    return ok(undefined);
  });
  return place.ok ? ok(join(place.value, 'initramfs.gz')) : place;
}

const skeleton: readonly CpioEntry[] = [
  ...['bin', 'dev', 'etc', 'modules', 'proc', 'root', 'run', 'sbin', 'sys', 'tmp', 'usr', 'usr/bin', 'usr/sbin'].map(
    (path): CpioEntry => ({ kind: 'directory', path }),
  ),
  { kind: 'device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
  {
    kind: 'file',
    path: 'etc/passwd',
    content: `root:x:0:0:root:/root:/bin/sh\nuser:x:${plainUserId}:${plainUserId}::/tmp:/bin/sh\n`,
  },
  { kind: 'file', path: 'etc/group', content: `root:x:0:\nuser:x:${plainUserId}:\n` },
];

async function imageFiles(): Promise<readonly CpioEntry[]> {
  const image = join(import.meta.dirname, 'image');
  return [
    { kind: 'file', path: 'init', content: await readFile(join(image, 'init')), mode: 0o755 },
    { kind: 'file', path: 'etc/inittab', content: await readFile(join(image, 'plain.inittab')) },
  ];
}

/** `init` stays ours to point at busybox, every other applet goes where busybox says it belongs. */
function appletLinks(list: string): readonly CpioEntry[] {
  return list
    .split('\n')
    .filter((path) => path !== '' && path !== 'bin/busybox' && /^(usr\/)?s?bin\//.test(path))
    .map((path) => ({ kind: 'link', path, target: busybox }));
}

async function moduleFiles(kernel: Kernel): Promise<readonly CpioEntry[]> {
  const files: CpioEntry[] = [];
  for (const path of [...kernel.modules, ...kernel.spareModules]) {
    files.push({ kind: 'file', path: `modules/${basename(path)}`, content: await readFile(path) });
  }
  const load = kernel.modules.map((path) => `${basename(path, '.ko')}\n`).join('');
  return [...files, { kind: 'file', path: 'modules/load', content: load }];
}
