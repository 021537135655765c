// A manager that stores nothing but what it was told, can be away, and signs whatever a test wants. Stands in for the real one
// where a sentinel is tested alone.
import { canonicalJson, type Json } from '../kit/canonical-json.ts';
import { problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type { Manifest, SealedManifest } from '../model/manifest.ts';
import { sealEnvelope, type SigningKey } from '../protocols/dsse/envelope.ts';
import {
  makePrivateKey,
  readPrivateKey,
  readTrustList,
  type TrustedKeys,
  trustListOf,
} from '../protocols/dsse/keys.ts';
import type { ManagerEnd } from '../wire/link.ts';
import {
  type BatchAck,
  type EvidenceQuestion,
  type EvidenceRetention,
  type Order,
  payloadTypes,
  type SentinelBatch,
  type Withdrawal,
} from '../wire/messages.ts';

type Told =
  | 'findings'
  | 'evidence'
  | 'guard'
  | 'remediations'
  | 'coverage'
  | 'observed'
  | 'changes'
  | 'admitted'
  | 'uses'
  | 'traits';

export class RecordingManager implements ManagerEnd {
  readonly batches: SentinelBatch[] = [];
  readonly trusted: TrustedKeys;
  away = false;
  readonly #key: SigningKey;

  constructor() {
    const key = readPrivateKey(makePrivateKey());
    if (!key.ok) throw new Error(key.error.message);
    const trusted = readTrustList(trustListOf(key.value));
    if (!trusted.ok) throw new Error(trusted.error.message);
    this.#key = key.value;
    this.trusted = trusted.value;
  }

  deliver(batch: SentinelBatch): Promise<Result<BatchAck>> {
    if (this.away) return Promise.resolve(fail(problem('failed', 'The manager is away.')));
    // Stored once, as the real one does.
    if (!this.batches.some((stored) => stored.seq === batch.seq)) this.batches.push(batch);
    return Promise.resolve(ok({ seq: batch.seq }));
  }

  manifest(manifest: Manifest): SealedManifest {
    return this.#seal(payloadTypes.manifest, manifest);
  }

  order(order: Order): SealedManifest {
    return this.#seal(payloadTypes.order, order);
  }

  withdrawal(withdrawal: Withdrawal): SealedManifest {
    return this.#seal(payloadTypes.withdrawal, withdrawal);
  }

  question(question: EvidenceQuestion): SealedManifest {
    return this.#seal(payloadTypes.evidenceQuestion, question);
  }

  retention(retention: EvidenceRetention): SealedManifest {
    return this.#seal(payloadTypes.evidenceRetention, retention);
  }

  /** Everything of one kind that was told so far. */
  told<K extends Told>(what: K): NonNullable<SentinelBatch[K]>[number][] {
    return this.batches.flatMap((batch) => (batch[what] ?? []) as NonNullable<SentinelBatch[K]>[number][]);
  }

  #seal(
    payloadType: string,
    value: Json | Manifest | Order | Withdrawal | EvidenceQuestion | EvidenceRetention,
  ): SealedManifest {
    return sealEnvelope(payloadType, Buffer.from(canonicalJson(value)), this.#key);
  }
}
