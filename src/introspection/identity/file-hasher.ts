// Says by their contents what files the processes of one guest run. Remembers what it hashed: the same version of the same file is read
// once, unless it is asked for afresh.
import type { Clock } from '../../kit/clock.ts';
import { problem } from '../../kit/problem.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { KernelSpace } from '../kernel/kernel-space.ts';
import { PageCache } from '../memory/page-cache.ts';
import { openDiskFile } from './disk/disk-file.ts';
import type { GuestDisks } from './disk/guest-disks.ts';
import type { ExecutableIdentity, HashLimits, ProcessFile } from './executable-identity.ts';
import { identifyContents } from './file-contents.ts';
import type { ContentLimits } from './file-contents.ts';
import { readFileFacts } from './file-facts.ts';
import { describeFile, findProcess, heldFiles } from './process-files.ts';
import type { HeldFile } from './process-files.ts';

const sizeBytesMaxDefault = 256 * 1024 * 1024;
const timeMsMaxDefault = 10_000;
const remembered = 4096;
const pagesMax = 2048;
/** Page tables, trees and page records of the largest file; contents are read past the cache. */
const readsMax = 1_000_000;

export class FileHasher {
  readonly #kernel: KernelSpace;
  readonly #clock: Clock;
  readonly #disks: GuestDisks | null;
  readonly #known = new RecentMap<string, ExecutableIdentity>(remembered);
  /** The VM's disks are exported to one reader at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(kernel: KernelSpace, clock: Clock, disks: GuestDisks | null) {
    this.#kernel = kernel;
    this.#clock = clock;
    this.#disks = disks;
  }

  /** The regular files a process runs, maps and has open. */
  files(pid: number): Result<readonly ProcessFile[]> {
    const space = this.#freshSpace();
    const process = findProcess(space, pid);
    if (process === null) return fail(noProcess(pid));
    return ok(heldFiles(space, process).flatMap((held) => describeFile(space, held) ?? []));
  }

  /** `file` as `files` names it. One at a time; others wait. */
  hash(pid: number, file: string, limits: HashLimits): Promise<Result<ExecutableIdentity>> {
    const turn = this.#turn.then(() => this.#hash(pid, file, limits));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #hash(pid: number, file: string, limits: HashLimits): Promise<Result<ExecutableIdentity>> {
    const space = this.#freshSpace();
    const process = findProcess(space, pid);
    if (process === null) return fail(noProcess(pid));
    const held = heldFiles(space, process).find((candidate) => candidate.file === file);
    const shown = held === undefined ? null : describeFile(space, held);
    const facts = held === undefined ? null : readFileFacts(space, held.open);
    if (held === undefined || shown === null || facts === null) return fail(noFile(pid, file));
    const known = limits.afresh === true ? undefined : this.#known.get(facts.version);
    if (known !== undefined) return ok({ ...known, path: shown.path });
    const identity = await identifyContents(this.#source(space, held, shown.path), limitsOf(limits));
    if (identity === null) return fail(noFile(pid, file));
    // Its pages may have been another version's for a moment: only what was whole is remembered, under what it was then.
    if (identity.sha256 !== null && readFileFacts(space, held.open)?.version === facts.version) {
      this.#known.set(facts.version, identity);
    }
    return ok(identity);
  }

  #source(space: KernelSpace, held: HeldFile, path: string) {
    const disks = this.#disks;
    const openOnDisk =
      disks === null ? null : async (facts: Parameters<typeof openDiskFile>[1]) => openDiskFile(space, facts, disks);
    return { space, file: held.open, path, clock: this.#clock, openOnDisk };
  }

  /** Its own pages: others go on using the session's while a large file is being read. */
  #freshSpace(): KernelSpace {
    const pages = new PageCache(this.#kernel.pages.memory, { pagesMax, readAhead: false });
    pages.begin(readsMax);
    return new KernelSpace(pages, this.#kernel.image, this.#kernel.profile);
  }
}

function limitsOf({ sizeBytesMax, timeMsMax, signal }: HashLimits): ContentLimits {
  return {
    sizeBytesMax: sizeBytesMax ?? sizeBytesMaxDefault,
    timeMsMax: timeMsMax ?? timeMsMaxDefault,
    signal: signal ?? null,
  };
}

function noProcess(pid: number) {
  return problem(
    'not-found',
    `The guest has no process ${pid} with a program.`,
    'See `plumbline ps` for those it has.',
  );
}

function noFile(pid: number, file: string) {
  return problem('not-found', `Process ${pid} has no regular file that is its ${file}.`);
}
