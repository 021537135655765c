// What a sentinel and a manager say to each other. A batch is numbered and stays in the sentinel's spool until the manager
// has stored it; an instruction is signed, so that whoever carries it cannot change it.
import { Type, type Static } from 'typebox';
import { ChangeWindow } from '../model/change.ts';
import { EvidenceId, EvidenceReport } from '../model/evidence.ts';
import { UseReport } from '../model/entry-use.ts';
import { Finding } from '../model/finding.ts';
import { GuardEvent } from '../model/guard-event.ts';
import { IsoTime, VmId } from '../model/name.ts';
import { Observed } from '../model/observation.ts';
import { Coverage } from '../model/profile.ts';
import { Step, Remediation } from '../model/remediation.ts';
import { ShownTraits } from '../model/vm-trait.ts';
import { Vm } from '../model/vm.ts';

/** Rises by one for each batch of a sentinel; the manager stores each number once, so a batch sent twice counts once. */
export const SentinelBatch = Type.Object({
  sentinel: Type.String({ maxLength: 128 }),
  seq: Type.Integer({ minimum: 1 }),
  sentAt: IsoTime,
  /** All VMs of the host when anything about them changed; absent otherwise. */
  vms: Type.Optional(Type.Array(Vm, { maxItems: 10_000 })),
  /** Capture mode only: what each VM did since the last batch, repetitions counted. */
  observed: Type.Array(Type.Object({ vm: VmId, items: Type.Array(Observed, { maxItems: 10_000 }) }), {
    maxItems: 10_000,
  }),
  /** Seconds watched and lost since the last batch (not totals). */
  coverage: Type.Array(Coverage, { maxItems: 10_000 }),
  findings: Type.Array(Finding, { maxItems: 10_000 }),
  /** How often a finding of this batch happened again before it was sent: the very same activity, beyond the one told. */
  repeated: Type.Optional(
    Type.Array(Type.Object({ vm: VmId, group: Type.String({ maxLength: 64 }), count: Type.Integer({ minimum: 1 }) }), {
      maxItems: 10_000,
    }),
  ),
  guard: Type.Array(GuardEvent, { maxItems: 10_000 }),
  /** Changes that were seen to begin; one told before with the same id goes on. */
  changes: Type.Optional(Type.Array(Type.Object({ vm: VmId, window: ChangeWindow }), { maxItems: 10_000 })),
  /** What the window of a change admitted although no manifest allows it, with the finding it would have been. */
  admitted: Type.Optional(
    Type.Array(
      Type.Object({
        change: Type.String({ maxLength: 64 }),
        finding: Finding,
        count: Type.Integer({ minimum: 1 }),
        lastAt: IsoTime,
      }),
      { maxItems: 10_000 },
    ),
  ),
  remediations: Type.Array(Remediation, { maxItems: 10_000 }),
  /** What was collected, could not be kept, or was removed since the last batch. The bytes themselves are asked for. */
  evidence: Type.Optional(Type.Array(EvidenceReport, { maxItems: 10_000 })),
  /** Which entries of the manifests were used, told every few minutes; absent = not told with this batch. */
  uses: Type.Optional(Type.Array(UseReport, { maxItems: 10_000 })),
  /** What VMs were seen to show, whether in a service or not; each trait once a day. */
  traits: Type.Optional(Type.Array(ShownTraits, { maxItems: 10_000 })),
});
export type SentinelBatch = Static<typeof SentinelBatch>;

export const BatchAck = Type.Object({ seq: Type.Integer({ minimum: 1 }) });
export type BatchAck = Static<typeof BatchAck>;

/** DSSE payload types; the envelope's payload is the canonical JSON of the value named here. */
export const payloadTypes = {
  manifest: 'application/vnd.plumbline.manifest+json',
  order: 'application/vnd.plumbline.order+json',
  withdrawal: 'application/vnd.plumbline.withdrawal+json',
  evidenceQuestion: 'application/vnd.plumbline.evidence-question+json',
  evidenceRetention: 'application/vnd.plumbline.evidence-retention+json',
} as const;

/** A person's order to act on a VM now. Runs once: a sentinel remembers the step's id until it has expired. */
export const Order = Type.Object({
  step: Step,
  by: Type.String({ maxLength: 256 }),
  alarm: Type.Union([Type.String(), Type.Null()]),
  issuedAt: IsoTime,
  expiresAt: IsoTime,
});
export type Order = Static<typeof Order>;

/** The VM left its service: stop watching, keep the generation so that an old manifest cannot come back. */
export const Withdrawal = Type.Object({ vm: VmId, generation: Type.Integer({ minimum: 1 }), issuedAt: IsoTime });
export type Withdrawal = Static<typeof Withdrawal>;

/** So many bytes of an item at once: what crosses the line stays small, however large a dump is. */
export const chunkBytesMax = 1024 * 1024;

/** Asks a sentinel for some bytes of an item that it reported, by the id it gave it: there is no way to name a path. */
export const EvidenceQuestion = Type.Object({
  sentinel: Type.String({ maxLength: 128 }),
  item: EvidenceId,
  offset: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  bytes: Type.Integer({ minimum: 1, maximum: chunkBytesMax }),
  expiresAt: IsoTime,
});
export type EvidenceQuestion = Static<typeof EvidenceQuestion>;

export const EvidenceChunk = Type.Object({
  item: EvidenceId,
  offset: Type.Integer({ minimum: 0 }),
  /** Of the whole item, as it lies on the disk now. */
  sizeBytes: Type.Integer({ minimum: 0 }),
  /** base64 */
  data: Type.String({ maxLength: Math.ceil(chunkBytesMax / 3) * 4 }),
});
export type EvidenceChunk = Static<typeof EvidenceChunk>;

/** What a sentinel must keep and what it is to remove. A later one takes the place of the one before; an older one is refused. */
export const EvidenceRetention = Type.Object({
  sentinel: Type.String({ maxLength: 128 }),
  issuedAt: IsoTime,
  keep: Type.Array(EvidenceId, { maxItems: 20_000 }),
  remove: Type.Array(Type.Object({ item: EvidenceId, by: Type.Enum(['age', 'size']) }), { maxItems: 20_000 }),
});
export type EvidenceRetention = Static<typeof EvidenceRetention>;
