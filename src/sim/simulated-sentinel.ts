// A sentinel without guests: it verifies and keeps what a manager installs, carries orders out on paper, and says what it is
// told to say. Held to the same contract as the real one: a generation never goes back, a stranger's seal is refused.
import { problem, type Problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type { Manifest, SealedManifest } from '../model/manifest.ts';
import type { Remediation } from '../model/remediation.ts';
import { openEnvelope } from '../protocols/dsse/envelope.ts';
import { readTrustList, type TrustList } from '../protocols/dsse/keys.ts';
import type { SentinelEnd } from '../wire/link.ts';
import {
  payloadTypes,
  type EvidenceChunk,
  type EvidenceQuestion,
  type EvidenceRetention,
  type Order,
  type SentinelBatch,
  type Withdrawal,
} from '../wire/messages.ts';

export interface SimulatedSentinel extends SentinelEnd {
  /** By VM: the manifest in force; null after a withdrawal. */
  readonly manifests: ReadonlyMap<string, Manifest | null>;
  readonly orders: readonly Order[];
  /** Every envelope that was handed over, also those refused. */
  installs(): number;
  /** From now on every installation fails with this; null = they work again. */
  failWith(trouble: Problem | null): void;
  /** What orders answer; by default done. */
  answer(state: Remediation['state'], evidence: string): void;
  /** Orders are never answered. */
  fallSilent(): void;
  /** By the id it reported: what lies on its disk. */
  readonly files: Map<string, Buffer>;
  /** How questions about evidence are answered; by default from `files`. */
  tellOfEvidence(how: TellEvidence): void;
  readonly retentions: readonly EvidenceRetention[];
  /** A batch with the next number. */
  batch(parts: Partial<SentinelBatch>): SentinelBatch;
}

type TellEvidence = (question: EvidenceQuestion, bytes: Buffer | null) => Result<EvidenceChunk>;

/** As a sentinel does that hides nothing. */
export const tellHonestly: TellEvidence = ({ item, offset, bytes: count }, bytes) =>
  bytes === null
    ? fail(problem('not-found', `The file of evidence ${item} is gone.`))
    : ok({
        item,
        offset,
        sizeBytes: bytes.length,
        data: bytes.subarray(offset, offset + count).toString('base64'),
      });

const offered = (['suspend', 'resume', 'snapshot', 'power-off'] as const).map((action) => ({
  action,
  available: true,
  why: null,
}));

export function makeSimulatedSentinel(sentinel: string, trust: TrustList, nowIso: () => string): SimulatedSentinel {
  const trusted = readTrustList(trust);
  const manifests = new Map<string, Manifest | null>();
  const generations = new Map<string, number>();
  const orders: Order[] = [];
  const files = new Map<string, Buffer>();
  const retentions: EvidenceRetention[] = [];
  let answerEvidence = tellHonestly;
  let trouble: Problem | null = null;
  let reply: { state: Remediation['state']; evidence: string } | null = { state: 'done', evidence: 'as asked' };
  let installs = 0;
  let seq = 0;

  function open(envelope: SealedManifest): Result<{ type: string; value: unknown }> {
    if (!trusted.ok) return trusted;
    const opened = openEnvelope(envelope, trusted.value);
    if (!opened.ok) return opened;
    const value: unknown = JSON.parse(Buffer.from(opened.value.body).toString('utf8'));
    return ok({ type: opened.value.payloadType, value });
  }

  return {
    sentinel,
    manifests,
    orders,
    files,
    retentions,
    tellOfEvidence: (how) => void (answerEvidence = how),
    installs: () => installs,
    failWith: (now) => void (trouble = now),
    answer: (state, evidence) => void (reply = { state, evidence }),
    fallSilent: () => void (reply = null),
    batch(parts) {
      seq += 1;
      const empty = { observed: [], coverage: [], findings: [], guard: [], remediations: [] };
      return { sentinel, seq, sentAt: nowIso(), ...empty, ...parts };
    },
    async install(envelope) {
      installs += 1;
      if (trouble !== null) return fail(trouble);
      const opened = open(envelope);
      if (!opened.ok) return opened;
      const { type, value } = opened.value;
      const issue = value as Manifest | Withdrawal;
      const held = generations.get(issue.vm) ?? 0;
      if (issue.generation < held)
        return await Promise.resolve(fail(problem('refused', `Generation ${issue.generation} is older than ${held}.`)));
      generations.set(issue.vm, issue.generation);
      manifests.set(issue.vm, type === payloadTypes.manifest ? (issue as Manifest) : null);
      return ok(issue.generation);
    },
    abilities: async () => await Promise.resolve(ok(offered)),
    evidence: async (envelope) => {
      const opened = open(envelope);
      if (!opened.ok) return opened;
      const question = opened.value.value as EvidenceQuestion;
      return await Promise.resolve(answerEvidence(question, files.get(question.item) ?? null));
    },
    retain: async (envelope) => {
      const opened = open(envelope);
      if (!opened.ok) return opened;
      retentions.push(opened.value.value as EvidenceRetention);
      return await Promise.resolve(ok(files.size));
    },
    async order(envelope) {
      const opened = open(envelope);
      if (!opened.ok) return opened;
      const order = opened.value.value as Order;
      orders.push(order);
      if (reply === null) return await new Promise<never>(() => undefined);
      return ok({
        id: order.step.id,
        step: order.step,
        origin: 'person',
        by: order.by,
        alarm: order.alarm,
        group: null,
        ...reply,
        startedAt: nowIso(),
        endedAt: nowIso(),
      });
    },
  };
}
