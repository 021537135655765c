// Whether the contents of a program change while the kernel says that its file does not: written straight into the page cache, past every
// permission and date. Remembers a digest of each page of each version of each executable, and holds later looks against it.
import { createHash } from 'node:crypto';
import { RecentMap } from '../../../kit/recent-map.ts';
import { pageBytes } from '../../memory/guest-memory.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { TaskFacts } from '../../guest/task-facts.ts';
import { findCachedPages } from '../../identity/cached-pages.ts';
import { readFileFacts } from '../../identity/file-facts.ts';
import type { FileFacts } from '../../identity/file-facts.ts';
import { executableOf } from '../../identity/process-files.ts';
import type { IntegrityCheck, IntegrityFinding } from '../integrity-view.ts';
import { answer } from '../kernel/kernel-look.ts';
import { Unseen } from '../unseen.ts';
import { factsOf, firstThreads, subjectOf } from './process-look.ts';
import type { ProcessLook } from './process-look.ts';

const covers =
  'The pages of every running executable in the guest’s memory, against what they were when first seen: contents that change though the file’s version does not were written past the file system.';
const digestBytes = 8;
const filesMax = 1024;
const filePagesMax = 65_536;
/** Of one look, all files together: 64 MiB. The rest follows in later looks. */
const pagesPerLookMax = 16_384;

interface Remembered {
  /** By page; zeros for one that was never seen. */
  readonly digests: Buffer;
  lastLook: number;
}

interface Found {
  readonly file: FileFacts;
  readonly page: number;
}

export class ExecutableContentsCheck {
  readonly #known = new RecentMap<string, Remembered>(filesMax);

  look(look: ProcessLook): IntegrityCheck {
    const unseen = new Unseen();
    const findings: IntegrityFinding[] = [];
    const running = runningFiles(look);
    let left = pagesPerLookMax;
    let later = 0;
    for (const { file, facts } of this.#longestUnseenFirst(running)) {
      if (left <= 0 || look.isLate()) {
        later += 1;
        continue;
      }
      const pages = Math.min(filePagesMax, Math.ceil(file.sizeBytes / pageBytes));
      const remembered = this.#remember(file, pages, look.now.look);
      const cached = findCachedPages(look.space, file.mapping, pages);
      if (cached?.sound !== true) {
        unseen.note('executables whose pages could not be looked up');
        continue;
      }
      left -= cached.present;
      const changed = compare(look.space, cached.frames, remembered.digests);
      if (changed === null || !isStill(look.space, file, cached.frames)) {
        unseen.note('executables whose pages moved while they were read');
        continue;
      }
      learn(changed, remembered.digests);
      const [first] = changed.filter(({ differs }) => differs);
      if (first === undefined) continue;
      findings.push(describe(look, facts, { file, page: first.page }, changed.filter(({ differs }) => differs).length));
    }
    if (later > 0) unseen.note('executables that are compared in a later look', later);
    return answer('executable-contents', covers, findings, unseen);
  }

  #remember(file: FileFacts, pages: number, look: number): Remembered {
    const known = this.#known.get(file.version);
    if (known !== undefined && known.digests.length === pages * digestBytes) {
      known.lastLook = look;
      return known;
    }
    const made = { digests: Buffer.alloc(pages * digestBytes), lastLook: look };
    this.#known.set(file.version, made);
    return made;
  }

  #longestUnseenFirst(running: readonly Running[]): readonly Running[] {
    const lastLook = ({ file }: Running): number => this.#known.peek(file.version)?.lastLook ?? -1;
    return running.toSorted((one, other) => lastLook(one) - lastLook(other));
  }
}

interface Running {
  readonly facts: TaskFacts;
  readonly file: FileFacts;
  readonly open: PhysicalAddress;
}

/** Each version of a file once, with one of the processes that run it. */
function runningFiles(look: ProcessLook): readonly Running[] {
  const byVersion = new Map<string, Running>();
  for (const { facts } of firstThreads(look)) {
    if (look.isLate()) break;
    const held = executableOf(look.space, facts.mm);
    const file = held === null ? null : readFileFacts(look.space, held.open);
    if (held === null || file === null || !file.regular || byVersion.has(file.version)) continue;
    byVersion.set(file.version, { facts, file, open: held.open });
  }
  return [...byVersion.values()];
}

interface PageDigest {
  readonly page: number;
  readonly digest: Buffer;
  readonly differs: boolean;
}

/** Of every page in memory; null when one could not be read. A page that differs keeps its first digest: it is told in every look. */
function compare(space: KernelSpace, frames: Float64Array, digests: Buffer): readonly PageDigest[] | null {
  const { memory } = space.pages;
  const contents = Buffer.alloc(pageBytes);
  const found: PageDigest[] = [];
  for (const [page, frame] of frames.entries()) {
    if (frame <= 0) continue;
    if (!memory.read(frame, contents, 0, pageBytes)) return null;
    const digest = createHash('sha256').update(contents).digest().subarray(0, digestBytes);
    const before = digests.subarray(page * digestBytes, (page + 1) * digestBytes);
    const isNew = before.every((byte) => byte === 0);
    found.push({ page, digest, differs: !isNew && !before.equals(digest) });
  }
  return found;
}

function learn(found: readonly PageDigest[], digests: Buffer): void {
  for (const { page, digest, differs } of found) if (!differs) digest.copy(digests, page * digestBytes);
}

/** The same version, with the pages where they were: nothing was thrown out and read anew under our hands. */
function isStill(space: KernelSpace, file: FileFacts, frames: Float64Array): boolean {
  space.pages.forget();
  const again = findCachedPages(space, file.mapping, frames.length);
  return again !== null && frames.every((frame, page) => frame <= 0 || again.frames[page] === frame);
}

function describe(look: ProcessLook, facts: TaskFacts, { file, page }: Found, pages: number): IntegrityFinding {
  const subject = subjectOf(facts);
  return {
    kind: 'changed-executable',
    certainty: 'certain',
    subject,
    detail: `The contents of ${file.path}, which the ${subject} runs, were changed in the guest’s memory: ${pages} pages, though the file is the same version as before.`,
    facts: { ...factsOf(look.space, facts), file: file.path, pages, firstOffset: page * pageBytes },
  };
}
