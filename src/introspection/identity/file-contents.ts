// Hashes one file of a guest: what is in its memory from there, the rest from the VM's disk. The guest goes on meanwhile, so a hash counts
// only when the file is the same version and every page still where it was after the last byte was read.
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../kit/clock.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import { pageBytes } from '../memory/guest-memory.ts';
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import { elsewhere, findCachedPages, notCached } from './cached-pages.ts';
import type { CachedPages } from './cached-pages.ts';
import type { DiskFile } from './disk/disk-file.ts';
import type { ExecutableIdentity } from './executable-identity.ts';
import { readFileFacts } from './file-facts.ts';
import type { FileFacts } from './file-facts.ts';

export interface ContentLimits {
  readonly sizeBytesMax: number;
  readonly timeMsMax: number;
  readonly signal: AbortSignal | null;
}

export interface ContentSource {
  readonly space: KernelSpace;
  /** The guest's open file. */
  readonly file: PhysicalAddress;
  /** As the guest calls it. */
  readonly path: string;
  readonly clock: Clock;
  /** Opens the file on the VM's disk; null where there is no disk to be had. */
  readonly openOnDisk: ((facts: FileFacts) => Promise<Result<DiskFile>>) | null;
}

const triesMax = 4;
/** Pages read at once, and after which others have their turn. */
const runPages = 64;
const samplesMax = 4;
/** File systems that have no disk: what is not in memory was never written, and reads as zeros. */
const memoryOnly = new Set(['tmpfs', 'ramfs']);

type Outcome =
  | { readonly sha256: string; readonly fromDisk: number }
  | { readonly why: string; readonly retry: boolean };

/** Never a problem for a file that cannot be had whole: the identity then says what is missing and why. */
export async function identifyContents(
  source: ContentSource,
  limits: ContentLimits,
): Promise<ExecutableIdentity | null> {
  const { space, file } = source;
  const deadline = source.clock.monotonic() + limits.timeMsMax;
  const isOver = (): string | null => {
    if (limits.signal?.aborted === true) return 'It was interrupted.';
    return source.clock.monotonic() > deadline ? `It took longer than ${limits.timeMsMax} ms.` : null;
  };
  for (let attempt = 1; ; attempt += 1) {
    space.pages.forget();
    const facts = readFileFacts(space, file);
    if (facts === null) return null;
    const unfit = whyUnfit(facts, limits);
    if (unfit !== null) return identity(source, facts, null, null, unfit);
    const cached = findCachedPages(space, facts.mapping, Math.ceil(facts.sizeBytes / pageBytes));
    if (cached === null) return identity(source, facts, null, null, 'This kernel’s page cache is not understood.');
    const outcome = await hashOnce(source, facts, cached, isOver);
    if ('sha256' in outcome || !outcome.retry || attempt >= triesMax) return identity(source, facts, cached, outcome);
  }
}

function whyUnfit(facts: FileFacts, { sizeBytesMax }: ContentLimits): string | null {
  if (!facts.regular) return 'It is no regular file.';
  if (facts.fileSystem === 'hugetlbfs') return 'Files in huge pages are not read.';
  if (facts.fileSystem === 'overlay') return 'The file below the overlay is not mapped by the process.';
  return facts.sizeBytes > sizeBytesMax ? `It is larger than ${sizeBytesMax} bytes.` : null;
}

async function hashOnce(
  source: ContentSource,
  facts: FileFacts,
  cached: CachedPages,
  isOver: () => string | null,
): Promise<Outcome> {
  const missing = countMissing(facts, cached);
  if (!cached.sound) return { why: 'Its pages in the guest’s memory changed while they were looked up.', retry: true };
  if (missing === 0) return digest(source, facts, cached, null, isOver);
  if (source.openOnDisk === null) return { why: 'It is not all in the guest’s memory.', retry: false };
  const disk = await source.openOnDisk(facts);
  if (!disk.ok) return { why: `It is not all in the guest’s memory. ${sayProblem(disk.error)}`, retry: false };
  try {
    const agrees = await agreesWithDisk(source.space, facts, cached, disk.value);
    return agrees
      ? await digest(source, facts, cached, disk.value, isOver)
      : { why: 'What is on the disk is not what is in the guest’s memory.', retry: false };
  } finally {
    await disk.value.close();
  }
}

function countMissing(facts: FileFacts, { frames }: CachedPages): number {
  const zeros = memoryOnly.has(facts.fileSystem);
  let missing = 0;
  for (const frame of frames) if (frame === elsewhere || (frame === notCached && !zeros)) missing += 1;
  return missing;
}

/** A few pages that are in both places: where the disk was misread, none is the same. */
async function agreesWithDisk(
  space: KernelSpace,
  { sizeBytes }: FileFacts,
  { frames, present }: CachedPages,
  disk: DiskFile,
): Promise<boolean> {
  if (present === 0) return true;
  const step = Math.max(1, Math.floor(present / samplesMax));
  let seen = 0;
  for (const [page, frame] of frames.entries()) {
    if (frame <= 0) continue;
    seen += 1;
    if ((seen - 1) % step !== 0) continue;
    const length = Math.min(pageBytes, sizeBytes - page * pageBytes);
    const memory = Buffer.alloc(length);
    const read = await disk.read(page * pageBytes, length);
    if (read.ok && space.pages.memory.read(frame, memory, 0, length) && memory.equals(read.value)) return true;
  }
  return false;
}

async function digest(
  source: ContentSource,
  facts: FileFacts,
  cached: CachedPages,
  disk: DiskFile | null,
  isOver: () => string | null,
): Promise<Outcome> {
  const { frames } = cached;
  const { memory } = source.space.pages;
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(runPages * pageBytes);
  let fromDisk = 0;
  for (let page = 0; page < frames.length;) {
    const over = isOver();
    if (over !== null) return { why: over, retry: false };
    const run = runAt(frames, page);
    const frame = frames[page] ?? notCached;
    const length = Math.min(run * pageBytes, facts.sizeBytes - page * pageBytes);
    if (frame > 0) {
      if (!memory.read(frame, buffer, 0, length)) return { why: 'The guest’s memory could not be read.', retry: true };
      hash.update(buffer.subarray(0, length));
    } else if (disk === null) hash.update(Buffer.alloc(length));
    else {
      const read = await disk.read(page * pageBytes, length);
      if (!read.ok) return { why: sayProblem(read.error), retry: false };
      hash.update(read.value);
      fromDisk += run;
    }
    page += run;
    if (frame > 0) await setImmediate();
  }
  return isUnchanged(source, facts, cached)
    ? { sha256: hash.digest('hex'), fromDisk }
    : { why: 'It changed every time it was read.', retry: true };
}

/** How many pages from `page` on can be read in one go. */
function runAt(frames: Float64Array, page: number): number {
  const first = frames[page] ?? notCached;
  let run = 1;
  while (run < runPages && page + run < frames.length) {
    const next = frames[page + run] ?? notCached;
    if (first > 0 ? next !== first + run * pageBytes : next > 0) break;
    run += 1;
  }
  return run;
}

/** Looked up afresh: the same version, and no page that was read from memory has moved or gone. */
function isUnchanged({ space, file }: ContentSource, facts: FileFacts, cached: CachedPages): boolean {
  space.pages.forget();
  const again = readFileFacts(space, file);
  if (again === null || again.version !== facts.version || again.mapping !== facts.mapping) return false;
  const pages = findCachedPages(space, again.mapping, cached.frames.length);
  return pages !== null && cached.frames.every((frame, page) => frame <= 0 || pages.frames[page] === frame);
}

function identity(
  source: ContentSource,
  facts: FileFacts,
  cached: CachedPages | null,
  outcome: Outcome | null,
  unfit: string | null = null,
): ExecutableIdentity {
  const pages = Math.ceil(facts.sizeBytes / pageBytes);
  const done = outcome !== null && 'sha256' in outcome ? outcome : null;
  const missing = cached === null ? pages : countMissing(facts, cached);
  return {
    path: source.path,
    fileSystem: facts.fileSystem,
    inode: facts.inodeNumber,
    generation: facts.generation,
    mtimeMs: facts.mtimeMs,
    sizeBytes: facts.sizeBytes,
    sha256: done?.sha256 ?? null,
    from: done === null ? null : done.fromDisk > 0 ? 'disk' : 'page-cache',
    pages,
    pagesFromDisk: done?.fromDisk ?? 0,
    missingPages: done === null ? missing : 0,
    why: unfit ?? (outcome !== null && 'why' in outcome ? outcome.why : null),
  };
}
