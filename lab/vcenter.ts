// A vCenter of the lab's own: govmomi's simulator, built once from Debian's packages. It runs no guests: it proves what is said
// to a vCenter and what is read back, not what becomes of a VM.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sayProblem } from '../src/kit/problem.ts';
import { ok, type Result } from '../src/kit/result.ts';
import { readProperties } from '../src/protocols/vsphere/properties.ts';
import type { VimClient } from '../src/protocols/vsphere/vim-client.ts';
import { textAt } from '../src/protocols/xml/xml-element.ts';
import { xml } from '../src/protocols/xml/xml-text.ts';
import { cached, fingerprint } from './cache.ts';
import { runCommand } from './commands.ts';
import { must } from './platform-contract.ts';

export interface Vcenter {
  readonly url: string;
  /** SHA-256 of its certificate. */
  readonly fingerprint: string;
  readonly user: string;
  readonly password: string;
  stop(): Promise<void>;
}

export interface VcenterOptions {
  /** VMs for each of its two hosts and clusters. */
  readonly vms?: number;
  /** After which a session that says nothing is forgotten; 0 = never. */
  readonly sessionIdleMs?: number;
  /** How long it takes over every call. */
  readonly delayMs?: number;
}

const source = join(import.meta.dirname, 'vcenter/main.go');
const user = 'plumbline@vsphere.local';
const password = `pa"ss<w>&'ord ]]>`;

/** Throws when it cannot be built or does not come up. */
export async function startVcenter(options: VcenterOptions = {}): Promise<Vcenter> {
  const built = await vcenterProgram();
  if (!built.ok) throw new Error(sayProblem(built.error));
  const { vms = 2, sessionIdleMs = 0, delayMs = 0 } = options;
  const args = ['-user', user, '-password', password, '-vms', String(vms), '-delay', String(delayMs)];
  const child = spawn(join(built.value, 'vcenter'), [...args, '-idle', `${sessionIdleMs}ms`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    const [url = '', print = ''] = line.split(' ');
    return {
      url,
      fingerprint: print,
      user,
      password,
      async stop() {
        child.stdin.end();
        await exited;
      },
    };
  }
  throw new Error('the vCenter simulator ended before it listened');
}

/** Keys of all sessions but the asker's. */
export async function otherSessions(client: VimClient): Promise<readonly string[]> {
  const { sessionManager } = must(await client.content());
  const { values } = must(await readProperties(client, sessionManager, ['sessionList', 'currentSession']));
  const own = textAt(values.get('currentSession'), 'key');
  const keys = (values.get('sessionList')?.children ?? []).map((session) => textAt(session, 'key') ?? '');
  return keys.filter((key) => key !== own);
}

/** What an idle limit or an administrator does. Throws when there is none. */
export async function endOtherSessions(client: VimClient): Promise<void> {
  const { sessionManager } = must(await client.content());
  const keys = await otherSessions(client);
  if (keys.length === 0) throw new Error('there is no other session');
  for (const key of keys) await client.call('TerminateSession', sessionManager, [xml('sessionId', key)]);
}

/** Half a minute to three quarters on two cores the first time, nothing afterwards. */
async function vcenterProgram(): Promise<Result<string>> {
  const text = readFileSync(source);
  const packages = spawnSync('dpkg-query', ['-W', 'golang-go', 'golang-github-vmware-govmomi-dev']).stdout;
  return cached(`vcenter-${fingerprint(text, packages)}`, async (directory) => {
    const goCache = mkdtempSync(join(tmpdir(), 'plumbline-go-'));
    const env = { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: goCache, GOFLAGS: '' };
    const made = await runCommand(['go', 'build', '-o', join(directory, 'vcenter'), source], { env });
    rmSync(goCache, { recursive: true, force: true });
    return made.ok ? ok(undefined) : made;
  });
}
