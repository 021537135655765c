// Debian's cloud kernels, stock and signed by Debian, from 5.10 to the newest: what guests boot and introspection must read.
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import { cached, fingerprint } from './cache.ts';
import { runCommand } from './commands.ts';
import { openArchive, type Archive, type Suite } from './debian-archive.ts';
import { moduleDependencies, moduleName, orderModules } from './kernel-modules.ts';

export const kernelReleases = ['5.10', '6.1', '6.12', '7'] as const;
export type KernelRelease = (typeof kernelReleases)[number];

export interface Kernel {
  readonly release: KernelRelease;
  /** As `uname -r` says it in the guest. */
  readonly version: string;
  /** Version of the Debian package. */
  readonly packageVersion: string;
  readonly vmlinuz: string;
  /** Module files in an order in which they load. */
  readonly modules: readonly string[];
  /** Modules that are present but not loaded at boot, each with what it needs, in order. For tests that load one. */
  readonly spareModules: readonly string[];
}

const suites: Readonly<Record<KernelRelease, readonly Suite[]>> = {
  '5.10': [{ archive: 'debian-security', suite: 'bullseye-security', frozen: true }],
  '6.1': [
    { archive: 'debian', suite: 'bookworm' },
    { archive: 'debian-security', suite: 'bookworm-security' },
  ],
  '6.12': [{ archive: 'debian', suite: 'bookworm-backports', frozen: true }],
  '7': [{ archive: 'debian', suite: 'trixie-backports' }],
};

/** What a guest needs to reach its disk, its network and the lab's command channel. */
const neededModules = ['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_console', 'ext4'];
const spareModules = ['dummy', 'overlay'];

/** The newest cloud kernel of a release; fetched once per version. */
export async function fetchKernel(release: KernelRelease): Promise<Result<Kernel>> {
  const archive = await openArchive(`kernel-${release}`, suites[release]);
  if (!archive.ok) return archive;
  const meta = await archive.value.show('linux-image-cloud-amd64');
  if (!meta.ok) return meta;
  const packageVersion = meta.value.get('Version') ?? '';
  const image = /\blinux-image-\d\S*-cloud-amd64\b/.exec(meta.value.get('Depends') ?? '')?.[0];
  if (image === undefined) {
    return fail(
      problem('unreadable', `Debian's linux-image-cloud-amd64 ${packageVersion} names no kernel image it depends on.`),
    );
  }
  const key = `kernels/${packageVersion}-${fingerprint(...neededModules, ...spareModules)}`;
  const place = await cached(key, (directory) => unpackKernel(archive.value, image, directory));
  return place.ok ? readKernel(release, packageVersion, place.value) : place;
}

/** Newer kernels are split over several packages; all of them are named in the image's dependencies. */
async function unpackKernel(archive: Archive, image: string, directory: string): Promise<Result<void>> {
  const stanza = await archive.show(image);
  if (!stanza.ok) return stanza;
  const parts = (stanza.value.get('Depends') ?? '').match(/\blinux-(?:binary|modules)-\S+/g) ?? [];
  const debs = await archive.fetch([image, ...parts]);
  if (!debs.ok) return debs;
  const unpacked = join(directory, 'unpacked');
  for (const deb of debs.value) {
    const done = await runCommand(['dpkg-deb', '-x', deb, unpacked]);
    if (!done.ok) return done;
  }
  const kept = await keepWhatGuestsNeed(unpacked, directory);
  await rm(unpacked, { recursive: true, force: true });
  return kept;
}

async function keepWhatGuestsNeed(unpacked: string, directory: string): Promise<Result<void>> {
  const moduleRoot = ['lib/modules', 'usr/lib/modules']
    .map((path) => join(unpacked, path))
    .find((path) => existsSync(path));
  const version = moduleRoot === undefined ? undefined : (await readdir(moduleRoot))[0];
  if (moduleRoot === undefined || version === undefined) {
    return fail(problem('unreadable', "Debian's kernel package holds no modules where they were expected."));
  }
  const vmlinuz = [join(unpacked, 'boot', `vmlinuz-${version}`), join(moduleRoot, version, 'vmlinuz')].find((path) =>
    existsSync(path),
  );
  if (vmlinuz === undefined) {
    return fail(problem('unreadable', `Debian's kernel package ${version} holds no vmlinuz where it was expected.`));
  }
  await cp(vmlinuz, join(directory, 'vmlinuz'));
  const available = new Map<string, string>();
  for (const path of await readdir(join(moduleRoot, version), { recursive: true })) {
    if (/\.ko(\.xz|\.zst)?$/.test(path)) available.set(moduleName(path), join(moduleRoot, version, path));
  }
  await mkdir(join(directory, 'modules'));
  const needs = new Map<string, readonly string[]>();
  const keep = async (name: string): Promise<Result<void>> => {
    const source = available.get(name);
    // Absent means built in: every release has all of these in one form or the other.
    if (source === undefined || needs.has(name)) return ok(undefined);
    const bytes = await readModule(source);
    if (!bytes.ok) return bytes;
    await writeFile(join(directory, 'modules', `${name}.ko`), bytes.value);
    needs.set(name, moduleDependencies(bytes.value));
    for (const needed of needs.get(name) ?? []) {
      const kept = await keep(needed);
      if (!kept.ok) return kept;
    }
    return ok(undefined);
  };
  for (const name of [...neededModules, ...spareModules].map(moduleName)) {
    const kept = await keep(name);
    if (!kept.ok) return kept;
  }
  const loaded = orderModules(neededModules.map(moduleName), needs);
  const spare = orderModules(spareModules.map(moduleName), needs).filter((name) => !loaded.includes(name));
  await writeFile(join(directory, 'kernel.json'), JSON.stringify({ version, loaded, spare }, null, 2));
  return ok(undefined);
}

/** Module bytes as the guest's insmod takes them: not compressed. */
async function readModule(path: string): Promise<Result<Uint8Array>> {
  if (path.endsWith('.ko')) return ok(await readFile(path));
  const plain = path.replace(/\.(xz|zst)$/, '');
  const tool = path.endsWith('.xz') ? ['xz', '-dk', path] : ['zstd', '-dq', path];
  const done = await runCommand(tool);
  return done.ok ? ok(await readFile(plain)) : done;
}

async function readKernel(release: KernelRelease, packageVersion: string, directory: string): Promise<Result<Kernel>> {
  const facts: unknown = JSON.parse(await readFile(join(directory, 'kernel.json'), 'utf8'));
  const { version, loaded, spare } = facts as { version: string; loaded: readonly string[]; spare: readonly string[] };
  const file = (name: string) => join(directory, 'modules', `${name}.ko`);
  return ok({
    release,
    version,
    packageVersion,
    vmlinuz: join(directory, 'vmlinuz'),
    modules: loaded.map(file),
    spareModules: spare.map(file),
  });
}
