// libvirt for tests of what acts through it: a libvirtd of the lab's own, without systemd, apart from any that the machine runs.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import { cacheRoot } from './cache.ts';
import { runCommand } from './commands.ts';
import { guestProgram } from './guest-programs.ts';
import { makeRunDirectory } from './run-directory.ts';

export interface LibvirtHost {
  /** For any libvirt client, such as `virsh -c`. */
  readonly uri: string;
  /** libvirt's RPC socket. */
  readonly socket: string;
  /** One virsh command; its text. */
  virsh(...args: readonly string[]): Promise<Result<string>>;
  /** Process id of a running domain's QEMU. */
  pidOf(domain: string): number | undefined;
  /** Powers a domain off and forgets it with its snapshots. Its disk is the lab's to remove. */
  remove(domain: string): Promise<void>;
  /** Removes all domains, then ends the daemon. */
  stop(): Promise<void>;
}

export interface LibvirtOptions {
  /** Process whose network namespace the daemon, and so the taps of its domains, are in. */
  readonly namespaceOf?: number;
}

/** The first start on a machine waits for libvirt to ask every QEMU binary what it can do; later ones find that kept. */
const startPatienceMs = 60_000;

/** Starts the daemon. Needs root. */
export async function openLibvirtHost(options: LibvirtOptions = {}): Promise<Result<LibvirtHost>> {
  if (process.getuid?.() !== 0) {
    return fail(problem('refused', "libvirt's system daemon needs root.", 'Run it as root.'));
  }
  const reaper = await guestProgram('reaper');
  if (!reaper.ok) return reaper;
  const home = await layOutHome();
  const capabilities = join(cacheRoot, 'libvirt-capabilities');
  await mkdir(capabilities, { recursive: true });
  const enter = options.namespaceOf === undefined ? [] : ['nsenter', `--net=/proc/${options.namespaceOf}/ns/net`];
  const script = join(import.meta.dirname, 'private-libvirtd.sh');
  const argv = [
    '--pdeathsig',
    'TERM',
    ...enter,
    'unshare',
    '--mount',
    reaper.value,
    '/bin/sh',
    script,
    home,
    capabilities,
  ];
  // libvirt lets go of its QEMUs; the reaper keeps them, so that they end with the daemon and the daemon with this process.
  const daemon = spawn('setpriv', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaint = '';
  daemon.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-1000)));
  const alive = (): boolean => daemon.exitCode === null && daemon.signalCode === null;
  const host = hostAt(home, async () => {
    if (!alive()) return;
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill('SIGTERM');
    await ended;
  });
  const deadline = performance.now() + startPatienceMs;
  while (!existsSync(host.socket) || !(await host.virsh('uri')).ok) {
    if (!alive() || performance.now() > deadline) {
      await host.stop();
      return fail(problem('failed', `The lab's libvirtd did not start: ${complaint.trim() || 'it said nothing'}.`));
    }
    await wait(50);
  }
  return ok(host);
}

/** What a program's words are put behind, so that it takes this for the libvirt of its host. It sees no other, and nobody else sees this. */
export function asLibvirtOfItsHost({ socket }: LibvirtHost): readonly string[] {
  return ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /run/libvirt && exec "$@"', dirname(socket)];
}

async function layOutHome(): Promise<string> {
  const home = await makeRunDirectory('libvirtd');
  for (const part of ['run', 'lib', 'log', 'etc/nwfilter', 'socket'])
    await mkdir(join(home, part), { recursive: true });
  // The filters that Debian's package ships, so that `clean-traffic` and its like are there.
  if (existsSync('/etc/libvirt/nwfilter'))
    await cp('/etc/libvirt/nwfilter', join(home, 'etc/nwfilter'), { recursive: true });
  const settings = [`unix_sock_dir = "${home}/socket"`, 'auth_unix_rw = "none"', 'unix_sock_rw_perms = "0700"'];
  await writeFile(join(home, 'etc/libvirtd.conf'), `${settings.join('\n')}\n`);
  // Without virtlogd: one daemon less.
  await writeFile(join(home, 'etc/qemu.conf'), 'stdio_handler = "file"\nsecurity_driver = "none"\n');
  return home;
}

function hostAt(home: string, endDaemon: () => Promise<void>): LibvirtHost {
  const socket = join(home, 'socket/libvirt-sock');
  const uri = `qemu+unix:///system?socket=${socket}`;
  const virsh: LibvirtHost['virsh'] = async (...args) => runCommand(['virsh', '-q', '-c', uri, ...args]);
  const pidOf = (domain: string): number | undefined => {
    const file = join(home, 'run/qemu', `${domain}.pid`);
    const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
    return pid > 0 && existsSync(`/proc/${pid}`) ? pid : undefined;
  };
  const remove = async (domain: string): Promise<void> => {
    await virsh('destroy', domain);
    await virsh('undefine', domain, '--snapshots-metadata', '--managed-save');
  };
  return {
    uri,
    socket,
    virsh,
    pidOf,
    remove,
    async stop() {
      const listed = await virsh('list', '--all', '--name');
      for (const domain of listed.ok ? listed.value.split('\n').filter((line) => line !== '') : [])
        await remove(domain);
      await endDaemon();
    },
  };
}
