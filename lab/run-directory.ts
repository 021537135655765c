// Where a running lab keeps its sockets and disks. Named for its owner, so that what a killed lab left is known as left over.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const prefix = 'plumbline-lab-';
const own: string[] = [];

/** A fresh directory of this process, removed when the process exits; leftovers of processes that are gone are removed first. */
export async function makeRunDirectory(label: string): Promise<string> {
  removeLeftovers();
  for (let number = 1; ; number += 1) {
    const directory = join(tmpdir(), `${prefix}${process.pid}-${label}-${number}`);
    if (existsSync(directory)) continue;
    await mkdir(directory, { recursive: true, mode: 0o711 });
    // One listener however many directories: a test run makes dozens.
    if (own.length === 0) process.once('exit', removeOwn);
    own.push(directory);
    return directory;
  }
}

function removeOwn(): void {
  for (const directory of own) rmSync(directory, { recursive: true, force: true });
}

function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (!Number.isNaN(owner) && !existsSync(`/proc/${owner}`))
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}
