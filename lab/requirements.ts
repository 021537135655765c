// The Debian packages that the lab runs on, found missing in one quick question and installed in one step.
import { spawnSync } from 'node:child_process';
import { problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import { runCommand } from './commands.ts';

export type PackageSet = 'guests' | 'libvirt' | 'flows' | 'platforms';

export const requiredPackages: Readonly<Record<PackageSet, readonly string[]>> = {
  guests: [
    'qemu-system-x86',
    'qemu-utils',
    'busybox-static',
    'gcc',
    'libc6-dev',
    'e2fsprogs',
    'iproute2',
    'util-linux',
    'xz-utils',
    'zstd',
    'debian-archive-keyring',
    'nftables',
    'tcpdump',
  ],
  libvirt: [
    'libvirt-daemon-system',
    'libvirt-clients',
    'libvirt-daemon-driver-qemu',
    'libvirt-daemon-config-nwfilter',
    'libvirt-daemon-system-sysv',
  ],
  flows: ['openvswitch-switch', 'conntrack', 'ethtool'],
  platforms: ['golang-go', 'golang-github-vmware-govmomi-dev', 'openssl'],
};

/** What of these sets is not installed. One dpkg-query, some milliseconds. */
export function missingPackages(
  sets: readonly PackageSet[] = ['guests', 'libvirt', 'flows', 'platforms'],
): readonly string[] {
  const wanted = sets.flatMap((set) => requiredPackages[set]);
  const asked = spawnSync('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Abbrev}\n', ...wanted], {
    encoding: 'utf8',
  });
  const installed = new Set(
    (asked.stdout ?? '')
      .split('\n')
      .filter((line) => / ii\s*$/.test(line))
      .map((line) => line.split(' ')[0]),
  );
  return wanted.filter((name) => !installed.has(name));
}

/** Installs what is missing when run by root on Debian; otherwise says the one command that does. */
export async function installPackages(
  say: (line: string) => void,
  sets: readonly PackageSet[] = ['guests', 'libvirt', 'flows', 'platforms'],
): Promise<Result<void>> {
  const missing = missingPackages(sets);
  if (missing.length === 0) return ok(undefined);
  const install = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0) {
    return fail(
      problem('usage', `Packages the lab needs are not installed: ${missing.join(' ')}.`, `Run: sudo ${install}`),
    );
  }
  say(`Installing ${missing.length} Debian packages: ${missing.join(' ')}`);
  // Two installs at once wait for each other instead of failing on dpkg's lock.
  const apt = ['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=400'];
  const environment = { env: { DEBIAN_FRONTEND: 'noninteractive' }, timeoutMs: 900_000 };
  const tried = await runCommand([...apt, 'install', '-y', '--no-install-recommends', ...missing], environment);
  if (tried.ok) return ok(undefined);
  // A machine that never fetched Debian's lists, or long ago, knows no candidate.
  const updated = await runCommand([...apt, 'update'], environment);
  if (!updated.ok) return updated;
  const again = await runCommand([...apt, 'install', '-y', '--no-install-recommends', ...missing], environment);
  if (!again.ok) return fail(problem('failed', again.error.message, `Run by hand: ${install}`));
  return ok(undefined);
}
