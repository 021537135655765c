// The disk of one tier: programs from Debian's own packages, the tier's files from `lab/image`, as one ext4 file system.
import { chmod, cp, mkdir, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ok, type Result } from '../src/kit/result.ts';
import { cached, fingerprint } from './cache.ts';
import { runCommand } from './commands.ts';
import { openArchive, type Suite } from './debian-archive.ts';
import { guestProgram } from './guest-programs.ts';

export const tiers = ['web', 'app', 'db'] as const;
export type Tier = (typeof tiers)[number];

const suites: readonly Suite[] = [
  { archive: 'debian', suite: 'bookworm' },
  { archive: 'debian-security', suite: 'bookworm-security' },
];

const basePackages = ['libc6', 'libc-bin', 'dash', 'coreutils', 'util-linux', 'chrony'];

const tierPackages: Readonly<Record<Tier, readonly string[]>> = {
  web: ['lighttpd', 'logrotate'],
  app: ['redis-tools'],
  db: ['redis-server', 'redis-tools'],
};

/** Dependencies that only installation scripts or another init need: nothing in the guest runs them. */
const unneeded =
  /^(adduser|cron.*|debconf|dpkg|gcc-.*-base|libdb5.*|libgdbm.*|libpam.*|libperl.*|libsemanage.*|libsepol.*|libsystemd-shared|.*-perl|passwd|perl.*|systemd.*|tar|tzdata|ucf|usrmerge)$/;

/** Where the lab's programs live in each tier. */
const programs: Readonly<Record<Tier, Readonly<Record<string, string>>>> = {
  web: { every: 'usr/local/sbin/every', 'lab-agent': 'usr/sbin/lab-agent' },
  app: {
    every: 'usr/local/sbin/every',
    'lab-agent': 'usr/sbin/lab-agent',
    orders: 'opt/orders/bin/orders',
    invoice: 'opt/orders/bin/invoice',
  },
  db: { every: 'usr/local/sbin/every', 'lab-agent': 'usr/sbin/lab-agent' },
};

const busyboxLinks = [
  'usr/sbin/init',
  'usr/bin/wget',
  'usr/bin/nc',
  'usr/bin/ip',
  'usr/bin/netstat',
  'usr/bin/ps',
  'usr/bin/vi',
];
const diskMib = 192;
const image = join(import.meta.dirname, 'image');

/** Path of a tier's raw, read-only disk; made once per content. */
export async function buildTierDisk(tier: Tier): Promise<Result<string>> {
  const packages = await fetchPackages(tier);
  if (!packages.ok) return packages;
  const compiled = new Map<string, string>();
  for (const [name, target] of Object.entries(programs[tier])) {
    const program = await guestProgram(name);
    if (!program.ok) return program;
    compiled.set(target, program.value);
  }
  const key = fingerprint(
    ...packages.value.map((path) => basename(path)),
    ...compiled.values(),
    ...(await filesOf(join(image, 'common'))),
    ...(await filesOf(join(image, tier))),
    await readFile(import.meta.filename),
  );
  const place = await cached(`disks/${tier}-${key}`, async (directory) => {
    const root = join(directory, 'root');
    const filled = await fillRoot(root, tier, packages.value, compiled);
    if (!filled.ok) return filled;
    const made = await makeFileSystem(root, join(directory, 'disk.ext4'));
    await rm(root, { recursive: true, force: true });
    return made;
  });
  return place.ok ? ok(join(place.value, 'disk.ext4')) : place;
}

async function fetchPackages(tier: Tier): Promise<Result<readonly string[]>> {
  const archive = await openArchive('guests', suites);
  if (!archive.ok) return archive;
  const names = await archive.value.withDependencies([...basePackages, ...tierPackages[tier]]);
  return names.ok ? archive.value.fetch(names.value.filter((name) => !unneeded.test(name))) : names;
}

/** Paths and contents below a directory, for the key. */
async function filesOf(directory: string): Promise<readonly (string | Uint8Array)[]> {
  const parts: (string | Uint8Array)[] = [];
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const path of paths.sort()) parts.push(path.slice(directory.length), await readFile(path));
  return parts;
}

async function fillRoot(
  root: string,
  tier: Tier,
  packages: readonly string[],
  compiled: ReadonlyMap<string, string>,
): Promise<Result<void>> {
  for (const deb of packages) {
    const unpacked = await runCommand(['dpkg-deb', '-x', deb, root]);
    if (!unpacked.ok) return unpacked;
  }
  const merged = await mergeUsr(root);
  if (!merged.ok) return merged;
  for (const unread of ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/info']) {
    await rm(join(root, unread), { recursive: true, force: true });
  }
  for (const empty of ['dev', 'proc', 'sys', 'run', 'root', 'tmp', 'mnt', 'opt', 'home']) {
    await mkdir(join(root, empty), { recursive: true });
  }
  for (const files of ['common', tier]) {
    await cp(join(image, files), root, { recursive: true });
  }
  await cp('/bin/busybox', join(root, 'usr/bin/busybox'));
  for (const link of busyboxLinks) {
    await rm(join(root, link), { force: true });
    await symlink('/usr/bin/busybox', join(root, link));
  }
  for (const [target, source] of compiled) {
    await mkdir(join(root, target, '..'), { recursive: true });
    await cp(source, join(root, target));
    await chmod(join(root, target), 0o755);
  }
  return ok(undefined);
}

/** /bin, /sbin, /lib and /lib64 become links into /usr, as on every Debian since bookworm. */
async function mergeUsr(root: string): Promise<Result<void>> {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(root, 'usr', name), { recursive: true });
    await mkdir(join(root, name), { recursive: true });
    const moved = await runCommand(['cp', '-a', `${join(root, name)}/.`, join(root, 'usr', name)]);
    if (!moved.ok) return moved;
    await rm(join(root, name), { recursive: true });
    await symlink(`usr/${name}`, join(root, name));
  }
  return ok(undefined);
}

async function makeFileSystem(root: string, disk: string): Promise<Result<void>> {
  const options = 'root_owner=0:0,lazy_itable_init=0';
  const made = await runCommand(['mkfs.ext4', '-q', '-F', '-m', '0', '-E', options, '-d', root, disk, `${diskMib}M`]);
  return made.ok ? ok(undefined) : made;
}
