// Keeps what was collected of this host's VMs: knows each file with its hash from the moment it was made, tells the manager, and
// removes the oldest when there is too much; never what the manager said must be kept, nor what it has not spoken about yet.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { type Clock, isoTime } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { causeOf, type Problem, problem, sayProblem } from '../../kit/problem.ts';
import type { EvidenceKind, EvidenceReport, RemovedBy } from '../../model/evidence.ts';
import type { Remediation, Step } from '../../model/remediation.ts';
import { measureKey } from '../../stages/respond/steps.ts';
import type { Database } from '../database.ts';
import { EvidenceMemory, type HeldFile } from './evidence-memory.ts';

export interface EvidenceLimits {
  readonly ageMsMax: number;
  readonly bytesMax: number;
  readonly filesMax: number;
}

export const evidenceLimitsDefault: EvidenceLimits = {
  ageMsMax: 90 * 86_400_000,
  bytesMax: 50 * 2 ** 30,
  filesMax: 5000,
};

export interface EvidenceKeeperOptions {
  readonly database: Database;
  /** 0700; nobody but the sentinel writes there. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: EvidenceLimits;
  readonly report: (report: EvidenceReport) => void;
}

/** A file that is complete, synced and closed. */
export interface CollectedFile {
  readonly kind: EvidenceKind;
  /** Below the directory of evidence; its name begins with the key of its step. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Of the whole file, hexadecimal. */
  readonly sha256: string;
  readonly note: string;
}

export interface EvidenceHealth {
  readonly files: number;
  readonly bytes: number;
  /** Nothing more is collected until something may go. */
  readonly isFull: boolean;
}

/** Which actions leave a file. */
const collects: Readonly<Record<string, EvidenceKind>> = { capture: 'packets', 'memory-dump': 'memory' };
/** Where files of each kind lie, below the directory of evidence. */
const places: Readonly<Record<EvidenceKind, string>> = { packets: 'packets', memory: '.' };
const kinds: readonly EvidenceKind[] = ['packets', 'memory'];
/** The manager may not have heard of what is younger than its word by less than this. */
const hearingMs = 10 * 60_000;
/** A file nobody told us of is taken in when nothing was written to it for so long. */
const strayMs = 60_000;
/** A batch takes ten thousand reports; no host keeps as many files as that together with these. */
const goneToldMax = 1000;
const noteMax = 2000;

export class EvidenceKeeper {
  readonly memory: EvidenceMemory;
  readonly #options: EvidenceKeeperOptions;
  #adopting: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: EvidenceKeeperOptions) {
    this.#options = options;
    this.memory = new EvidenceMemory(options.database);
    for (const kind of kinds) mkdirSync(join(options.directory, places[kind]), { recursive: true, mode: 0o700 });
  }

  /** Tells everything anew, since a crash may have come before it was told, and takes in what an earlier run left. */
  start(): void {
    const known = this.memory.all();
    if (!known.ok) this.#options.log.error('evidence cannot be read', { why: sayProblem(known.error) });
    const files = known.ok ? known.value : [];
    // What is there before what is not, and of that the latest.
    const gone = files.filter(({ removed }) => removed).slice(-goneToldMax);
    for (const { report } of [...files.filter(({ removed }) => !removed), ...gone]) this.#options.report(report);
    for (const kind of kinds) this.#setCutAside(kind);
    for (const kind of kinds) this.#adoptStrays(kind, 0);
  }

  /** Before a step is carried out. A problem when it would collect something and there is no room. */
  begins(step: Step): Problem | null {
    const kind = collects[step.action];
    if (kind === undefined) return null;
    this.#makeRoom();
    const { bytes, isFull } = this.health();
    if (isFull)
      return problem(
        'refused',
        `The evidence on this host takes ${bytes} bytes, which is the most, and none of it may go.`,
        'Close alarms that are over, unhold what is not needed, or raise evidence.host.gigabytesMax.',
      );
    const noted = this.memory.begin({ key: measureKey(step), vm: step.vm, step: step.id }, this.#options.clock.now());
    return noted.ok ? null : noted.error;
  }

  /** A step has ended that whoever carried it out says nothing more about: its file is there now, or there is none. */
  ended({ step, state, evidence }: Remediation): void {
    if (collects[step.action] !== 'memory') return;
    if (state === 'failed') this.lost('memory', measureKey(step), evidence);
    else if (state === 'done' || state === 'unconfirmed') this.#adoptStrays('memory', 0);
  }

  collected(file: CollectedFile): void {
    const path = relative(this.#options.directory, file.path);
    const name = basename(path);
    const step = this.memory.stepOf(name);
    if (!step.ok || step.value === null || path.startsWith('..')) {
      this.#options.log.error('a collected file belongs to no step', { name });
      return;
    }
    const nowMs = this.#options.clock.now();
    const madeAt = isoTime(nowMs);
    const { vm, step: of } = step.value;
    const { kind, sizeBytes, sha256 } = file;
    const id = digest(name, madeAt, sha256);
    const note = file.note.slice(0, noteMax);
    const said = {
      state: 'kept',
      id,
      kind,
      vm,
      step: of,
      name: safeName(name),
      sizeBytes,
      sha256,
      madeAt,
      note,
    } as const;
    this.#keep({ id, path, sizeBytes, atMs: nowMs, removed: false, report: said });
    this.#makeRoom();
  }

  /** A collection that was begun and came to nothing. */
  lost(kind: EvidenceKind, key: string, why: string): void {
    const step = this.memory.stepOf(key);
    if (!step.ok || step.value === null) return;
    const nowMs = this.#options.clock.now();
    const at = isoTime(nowMs);
    const { vm, step: of } = step.value;
    const id = digest('lost', key, at);
    const report = { state: 'lost', id, kind, vm, step: of, at, why: why.slice(0, noteMax) } as const;
    this.#keep({ id, path: '', sizeBytes: 0, atMs: nowMs, removed: true, report });
  }

  /** Removes a file and says so; nothing happens when it is gone already or was never known. */
  remove(id: string, by: RemovedBy): void {
    const found = this.memory.get(id);
    if (!found.ok || found.value === null || found.value.removed) return;
    try {
      rmSync(join(this.#options.directory, found.value.path), { force: true });
    } catch (thrown) {
      this.#options.log.error('evidence cannot be removed', { id, why: causeOf(thrown) });
      return;
    }
    const report = { state: 'removed', id, at: isoTime(this.#options.clock.now()), by } as const;
    this.#keep({ ...found.value, removed: true, report });
    this.#options.log.info('evidence removed', { id, by });
  }

  /** Called now and then. */
  tend(): void {
    this.#makeRoom();
    for (const kind of kinds) this.#adoptStrays(kind, strayMs);
  }

  health(): EvidenceHealth {
    const present = this.memory.present();
    const files = present.ok ? present.value : [];
    const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const { bytesMax, filesMax } = this.#options.limits;
    return { files: files.length, bytes, isFull: bytes >= bytesMax || files.length >= filesMax };
  }

  pathOf({ path }: HeldFile): string {
    return join(this.#options.directory, path);
  }

  /** Resolves when nothing is being hashed any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#adopting;
  }

  #keep(file: HeldFile): void {
    const kept = this.memory.put(file);
    if (!kept.ok) this.#options.log.error('evidence not written down', { id: file.id, why: sayProblem(kept.error) });
    this.#options.report(file.report);
  }

  /** Oldest first, until the limits are kept or nothing that may go is left. */
  #makeRoom(): void {
    const present = this.memory.present();
    const word = this.memory.word();
    if (!present.ok || !word.ok || word.value === null) return;
    const { ageMsMax, bytesMax, filesMax } = this.#options.limits;
    const keep = new Set(word.value.keep);
    const spokenMs = word.value.issuedMs - hearingMs;
    const oldestMs = this.#options.clock.now() - ageMsMax;
    let files = present.value.length;
    let bytes = present.value.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const { id, atMs, sizeBytes } of present.value) {
      const isOver = bytes > bytesMax || files > filesMax;
      if (keep.has(id) || atMs >= spokenMs || (atMs >= oldestMs && !isOver)) continue;
      this.remove(id, atMs < oldestMs ? 'host-age' : 'host-size');
      bytes -= sizeBytes;
      files -= 1;
    }
  }

  /** What was being written when an earlier run was ended is evidence too, under a name that nothing will be written to again. */
  #setCutAside(kind: EvidenceKind): void {
    const directory = join(this.#options.directory, places[kind]);
    for (const name of namesIn(directory)) {
      if (!name.endsWith('.part')) continue;
      const whole = name.slice(0, -'.part'.length);
      const cut = Array.from({ length: 100 }, (_, n) => `${whole}.cut${n === 0 ? '' : n}`).find(
        (free) => !existsSync(join(directory, free)),
      );
      try {
        if (cut !== undefined) renameSync(join(directory, name), join(directory, cut));
      } catch (thrown) {
        this.#options.log.warn('what was being collected cannot be set aside', { name, why: causeOf(thrown) });
      }
    }
  }

  /** Files that are whole and not known yet. */
  #adoptStrays(kind: EvidenceKind, unwrittenMs: number): void {
    const present = this.memory.present();
    if (!present.ok) return;
    const known = new Set(present.value.map(({ path }) => path));
    for (const name of namesIn(join(this.#options.directory, places[kind]))) {
      const path = join(this.#options.directory, places[kind], name);
      if (name.endsWith('.part') || known.has(join(places[kind], name))) continue;
      const step = this.memory.stepOf(name);
      const stat = statSync(path, { throwIfNoEntry: false });
      const isBeingWritten = unwrittenMs > 0 && this.#options.clock.now() - (stat?.mtimeMs ?? 0) < unwrittenMs;
      if (!step.ok || step.value === null || stat?.isFile() !== true || isBeingWritten) continue;
      this.#adopting = this.#adopting.then(async () => await this.#adopt(kind, path));
    }
  }

  async #adopt(kind: EvidenceKind, path: string): Promise<void> {
    const present = this.memory.present();
    const isKnown = present.ok && present.value.some((file) => this.pathOf(file) === path);
    if (this.#closed || isKnown) return;
    try {
      const hash = createHash('sha256');
      let sizeBytes = 0;
      for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
        if (this.#closed) return;
        hash.update(chunk);
        sizeBytes += chunk.length;
      }
      const isCut = /\.cut\d*$/.test(path);
      const note = isCut ? 'cut off when the sentinel was ended' : 'found complete, hashed afterwards';
      this.collected({ kind, path, sizeBytes, sha256: hash.digest('hex'), note });
    } catch (thrown) {
      this.#options.log.warn('a collected file cannot be read', { name: basename(path), why: causeOf(thrown) });
    }
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch {
    return [];
  }
}

function digest(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32);
}

/** As the wire bounds names; the real one stays here. */
function safeName(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 150);
  return /^[A-Za-z0-9]/.test(plain) ? plain : `x${plain}`;
}
