// The room for what is kept as evidence, memory unless said otherwise: how much of the directory and of its disk may be used, also by
// several files that are being written at once.
import { mkdirSync, readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { causeOf, type Problem, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

export interface EvidenceLimits {
  /** All that is kept in the directory together. */
  readonly keptBytes: number;
  /** What must be left free on the disk afterwards. */
  readonly freeBytes: number;
  readonly files: number;
}

const limitsDefault: EvidenceLimits = { keptBytes: 256 * 2 ** 30, freeBytes: 2 ** 30, files: 64 };

/** Which files count, what they are, and what is done when there is no room for more. */
export interface EvidenceSort {
  readonly name: RegExp;
  readonly what: string;
  readonly mend: (directory: string) => string;
}

const memory: EvidenceSort = {
  name: /\.elf(\.part)?$/,
  what: 'memory',
  mend: (directory) => `Move what is no longer needed out of ${directory}, then order it again.`,
};

export class EvidenceRoom {
  /** 0700; nobody but this process writes there. */
  readonly directory: string;
  readonly #limits: EvidenceLimits;
  readonly #sort: EvidenceSort;
  /** Of files under way. */
  readonly #taken = new Map<string, number>();

  constructor(directory: string, limits: Partial<EvidenceLimits> = {}, sort: EvidenceSort = memory) {
    this.directory = directory;
    this.#sort = sort;
    this.#limits = { ...limitsDefault, ...limits };
  }

  /** Takes room for a file of that name and size; to be left when it is whole or given up. */
  take(name: string, sizeBytes: number): Result<() => void> {
    try {
      const objection = this.#objectionTo(sizeBytes);
      if (objection !== null) return fail(objection);
    } catch (thrown) {
      return fail(problem('failed', `${this.directory} cannot be used for evidence: ${causeOf(thrown)}.`));
    }
    this.#taken.set(name, sizeBytes);
    return ok(() => this.#taken.delete(name));
  }

  #objectionTo(sizeBytes: number): Problem | null {
    const { directory } = this;
    const { keptBytes: keptMax, freeBytes: freeMin, files: filesMax } = this.#limits;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const whole = readdirSync(directory).filter((name) => this.#sort.name.test(name) && !this.#isTaken(name));
    const takenBytes = [...this.#taken.values()].reduce((sum, bytes) => sum + bytes, 0);
    const keptBytes = whole.reduce((sum, name) => sum + statSync(join(directory, name)).size, takenBytes);
    const { bavail, bsize } = statfsSync(directory);
    // What a dump under way has written already is counted twice, on the careful side.
    const freeBytes = Math.max(0, bavail * bsize - takenBytes);
    const { what } = this.#sort;
    const mend = this.#sort.mend(directory);
    const files = whole.length + this.#taken.size;
    if (files >= filesMax)
      return problem('refused', `The ${what} that is kept lies in ${files} files, which is the most.`, mend);
    if (keptBytes + sizeBytes > keptMax)
      return problem(
        'refused',
        `${sizeBytes} bytes of ${what} beside ${keptBytes} kept already are more than ${keptMax}.`,
        mend,
      );
    if (freeBytes - sizeBytes < freeMin)
      return problem(
        'refused',
        `${sizeBytes} bytes of ${what} would leave less than ${freeMin} of ${freeBytes} that are free on the disk.`,
        mend,
      );
    return null;
  }

  #isTaken(name: string): boolean {
    return this.#taken.has(name.replace(this.#sort.name, ''));
  }
}
