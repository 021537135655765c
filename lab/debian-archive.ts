// Debian's archive through lists of the lab's own: the machine's sources, lists and package state are neither used nor touched.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import { cached, cacheRoot, fingerprint, locked } from './cache.ts';
import { runCommand } from './commands.ts';

export interface Suite {
  /** Path of the archive below the mirror: `debian` or `debian-security`. */
  readonly archive: 'debian' | 'debian-security';
  readonly suite: string;
  /** An archived suite is signed but no longer re-signed: its date says nothing any more. */
  readonly frozen?: boolean;
}

export interface Archive {
  /** Fields of the newest version of a package. */
  show(name: string): Promise<Result<ReadonlyMap<string, string>>>;
  /** Fetches these packages. Returns the .deb files. */
  fetch(names: readonly string[]): Promise<Result<readonly string[]>>;
  /** Names of these packages and of all they depend on, as apt would install them on an empty machine. */
  withDependencies(names: readonly string[]): Promise<Result<readonly string[]>>;
}

const mirror = 'http://deb.debian.org';
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** Lists younger than this are taken as they are: Debian publishes four times a day. */
const listsFreshMs = 12 * 3600_000;

export async function openArchive(name: string, suites: readonly Suite[]): Promise<Result<Archive>> {
  if (!existsSync(keyring)) {
    return fail(
      problem(
        'not-found',
        `Debian's archive keys are missing: ${keyring}.`,
        'Install the package debian-archive-keyring.',
      ),
    );
  }
  const home = join(cacheRoot, 'archives', name);
  const configuration = join(home, 'apt.conf');
  return locked(home, async () => {
    for (const part of ['lists/partial', 'cache/archives/partial', 'debs'])
      await mkdir(join(home, part), { recursive: true });
    await writeFile(join(home, 'status'), '');
    await writeFile(join(home, 'sources.list'), suites.map(sourceLine).join(''));
    await writeFile(configuration, aptConfiguration(home));
    const updated = await refreshLists(home, configuration);
    return updated.ok ? ok(archiveAt(home, configuration)) : updated;
  });
}

function sourceLine({ archive, suite, frozen }: Suite): string {
  const options = `signed-by=${keyring}${frozen === true ? ' check-valid-until=no' : ''}`;
  return `deb [${options}] ${mirror}/${archive} ${suite} main\n`;
}

/** Read after the machine's own configuration, so that its proxies hold and its hooks do not. */
function aptConfiguration(home: string): string {
  return `Dir::Etc::SourceList "${home}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "${home}";
Dir::State::status "${home}/status";
Dir::Cache "${home}/cache";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Pre-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
`;
}

async function refreshLists(home: string, configuration: string): Promise<Result<void>> {
  const stamp = join(home, 'refreshed');
  const age = existsSync(stamp) ? Date.now() - (await stat(stamp)).mtimeMs : Infinity;
  const sources = await readFile(join(home, 'sources.list'), 'utf8');
  const same = existsSync(stamp) && (await readFile(stamp, 'utf8')) === sources;
  if (same && age < listsFreshMs) return ok(undefined);
  const updated = await runCommand([
    'apt-get',
    '-q',
    '-c',
    configuration,
    '-o',
    'APT::Update::Error-Mode=any',
    'update',
  ]);
  // An archive out of reach is no reason to stop while older lists answer.
  if (!updated.ok) return same ? ok(undefined) : updated;
  await writeFile(stamp, sources);
  return ok(undefined);
}

function archiveAt(home: string, configuration: string): Archive {
  const debs = join(home, 'debs');
  const ask = async (argv: readonly string[]): Promise<Result<string>> => askOnce(home, argv);
  return {
    async show(name) {
      const shown = await ask(['apt-cache', '-c', configuration, '--no-all-versions', 'show', name]);
      return shown.ok ? ok(readStanza(shown.value)) : shown;
    },
    async fetch(names) {
      const uris = await ask(['apt-get', '-q', '-c', configuration, '--print-uris', 'download', ...names]);
      if (!uris.ok) return uris;
      const files = [...uris.value.matchAll(/^'[^']+' (\S+) \d+/gm)].map((match) => match[1] ?? '');
      return locked(debs, async () => download(debs, configuration, files));
    },
    async withDependencies(names) {
      const plan = await ask(['apt-get', '-q', '-c', configuration, '--simulate', 'install', ...names]);
      if (!plan.ok) return plan;
      return ok([...plan.value.matchAll(/^Inst (\S+) /gm)].map((match) => match[1] ?? ''));
    },
  };
}

/** What apt answers about lists that have not changed since it was last asked; apt takes a second to think each time. */
async function askOnce(home: string, argv: readonly string[]): Promise<Result<string>> {
  const { mtimeMs } = await stat(join(home, 'refreshed'));
  const place = await cached(`answers/${fingerprint(...argv, String(mtimeMs))}`, async (directory) => {
    const answer = await runCommand(argv);
    if (!answer.ok) return answer;
    await writeFile(join(directory, 'answer'), answer.value);
    return ok(undefined);
  });
  return place.ok ? ok(await readFile(join(place.value, 'answer'), 'utf8')) : place;
}

async function download(
  debs: string,
  configuration: string,
  files: readonly string[],
): Promise<Result<readonly string[]>> {
  const missing = files.filter((file) => !existsSync(join(debs, file))).map(packageOf);
  if (missing.length > 0) {
    const loaded = await runCommand(['apt-get', '-q', '-c', configuration, 'download', ...missing], { cwd: debs });
    if (!loaded.ok) return loaded;
    await removeOthers(debs, files);
  }
  return ok(files.map((file) => join(debs, file)));
}

/** Debian names its files PACKAGE_VERSION_ARCHITECTURE.deb. */
function packageOf(file: string): string {
  return file.slice(0, file.indexOf('_'));
}

/** Superseded versions of the packages just fetched; other packages stay. */
async function removeOthers(debs: string, files: readonly string[]): Promise<void> {
  const kept = new Set(files);
  const names = new Set(files.map(packageOf));
  for (const file of await readdir(debs)) {
    if (!kept.has(file) && names.has(packageOf(file))) await rm(join(debs, file));
  }
}

/** The first stanza of deb822 text; continuation lines are joined to their field. */
export function readStanza(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  let current = '';
  for (const line of text.split('\n')) {
    if (line === '') {
      if (fields.size > 0) break;
    } else if (/^\s/.test(line)) {
      fields.set(current, `${fields.get(current) ?? ''}\n${line.trim()}`);
    } else {
      const colon = line.indexOf(':');
      current = line.slice(0, colon);
      fields.set(current, line.slice(colon + 1).trim());
    }
  }
  return fields;
}
