// The two ends of the line between a sentinel and its manager. Every implementation passes the same contract test.
import type { Result } from '../kit/result.ts';
import type { SealedManifest } from '../model/manifest.ts';
import type { Ability } from '../model/plan.ts';
import type { Remediation } from '../model/remediation.ts';
import type { BatchAck, EvidenceChunk, SentinelBatch } from './messages.ts';

/** Held by the sentinel. A refused or failed batch is kept and sent again. */
export interface ManagerEnd {
  deliver(batch: SentinelBatch): Promise<Result<BatchAck>>;
}

/** Held by the manager, one for each sentinel. Envelopes are verified by the sentinel before use. */
export interface SentinelEnd {
  readonly sentinel: string;
  /** Hands over a signed manifest, or a signed withdrawal. The value is the generation now in force. */
  install(envelope: SealedManifest): Promise<Result<number>>;
  /** Carries out a signed order and answers with what was verified. */
  order(envelope: SealedManifest): Promise<Result<Remediation>>;
  /** What can be done about a VM of its host here and now; changes nothing. */
  abilities(vm: string): Promise<Result<readonly Ability[]>>;
  /** Some bytes of an item it reported, on a signed question. not-found = it is gone; unreadable = it is not what was reported. */
  evidence(envelope: SealedManifest): Promise<Result<EvidenceChunk>>;
  /** Takes a signed word about what to keep and what to remove. The value is how many items it has. */
  retain(envelope: SealedManifest): Promise<Result<number>>;
}
