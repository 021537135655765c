// The evidence of this host, put together: what steps collect goes to the keeper, what the manager asks goes to the desk.
import type { Log } from '../../kit/log.ts';
import { type Problem, sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { ActOutcome } from '../../connectors/enforcement/enforcer.ts';
import { type CapturedFile, sayFile } from '../../connectors/enforcement/packet-capture.ts';
import type { EvidenceReport } from '../../model/evidence.ts';
import type { SealedManifest } from '../../model/manifest.ts';
import type { Remediation, Step } from '../../model/remediation.ts';
import type { EvidenceChunk } from '../../wire/messages.ts';
import type { Database } from '../database.ts';
import type { SentinelOptions } from '../sentinel-options.ts';
import { EvidenceDesk } from './evidence-desk.ts';
import { type CollectedFile, type EvidenceHealth, EvidenceKeeper, evidenceLimitsDefault } from './evidence-keeper.ts';

export interface HostEvidenceOptions extends Pick<SentinelOptions, 'name' | 'trusted' | 'clock' | 'log' | 'evidence'> {
  readonly database: Database;
  readonly directory: string;
  readonly report: (report: EvidenceReport) => void;
}

export class HostEvidence {
  readonly #keeper: EvidenceKeeper;
  readonly #desk: EvidenceDesk;
  readonly #log: Log;

  constructor(options: HostEvidenceOptions) {
    this.#log = options.log;
    this.#keeper = new EvidenceKeeper({ ...options, limits: { ...evidenceLimitsDefault, ...options.evidence } });
    this.#desk = new EvidenceDesk({ ...options, sentinel: options.name, keeper: this.#keeper });
  }

  start(): void {
    this.#keeper.start();
  }

  /** Asked before a step is carried out: why it is not, when it would collect what has no room. */
  refuses(step: Step): Promise<ActOutcome> | null {
    const why = this.#keeper.begins(step);
    return why === null ? null : Promise.resolve({ state: 'failed', evidence: sayProblem(why), problem: why });
  }

  /** Told of every change of a remediation. */
  ended(remediation: Remediation): void {
    this.#keeper.ended(remediation);
  }

  /** A file of any kind, complete on the disk. */
  collected(file: CollectedFile): void {
    this.#keeper.collected(file);
  }

  captured(file: CapturedFile): void {
    this.#log.info('packets captured', { id: file.id, what: sayFile(file) });
    const { path, sizeBytes, sha256, packets, from, until, endedBy, dropped } = file;
    const lost = dropped === null || dropped === 0 ? '' : `; the kernel dropped ${dropped}`;
    const note = `${packets} packets at ${file.interface} from ${from} to ${until}, ended by ${endedBy}${lost}`;
    this.collected({ kind: 'packets', path, sizeBytes, sha256, note });
  }

  captureLost(key: string, why: Problem): void {
    this.#log.error('captured packets were not kept', { id: key, why: sayProblem(why) });
    this.#keeper.lost('packets', key, sayProblem(why));
  }

  answer(envelope: SealedManifest): Promise<Result<EvidenceChunk>> {
    return this.#desk.answer(envelope);
  }

  retain(envelope: SealedManifest): Promise<Result<number>> {
    return Promise.resolve(this.#desk.retain(envelope));
  }

  tend(): void {
    this.#keeper.tend();
  }

  health(): EvidenceHealth {
    return this.#keeper.health();
  }

  async close(): Promise<void> {
    await this.#keeper.close();
  }
}
