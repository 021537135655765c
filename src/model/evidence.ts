// What was collected of a VM about an alarm or a plan: what a sentinel reports of it, what the manager keeps, and the signed index of
// a bundle. The bytes stay on the host until a bundle is made.
import { Type, type Static } from 'typebox';
import { IsoTime, VmId } from './name.ts';

/** packets = a capture in pcap; memory = a dump of the guest's memory. */
export const EvidenceKind = Type.Enum(['packets', 'memory']);
export type EvidenceKind = Static<typeof EvidenceKind>;

/** 128 bits in hexadecimal: nothing that could lead anywhere in a path, an archive or a query. */
export const EvidenceId = Type.String({ pattern: '^[0-9a-f]{32}$' });
export const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'hexadecimal' });
const FileName = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,159}$', description: 'without a directory' });
const StepId = Type.String({ maxLength: 64 });
const Size = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Text = Type.String({ maxLength: 2000 });
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()]);

/** Why something is not kept any longer: the limits of the host, or those of the manager. */
export const RemovedBy = Type.Enum(['host-age', 'host-size', 'age', 'size']);
export type RemovedBy = Static<typeof RemovedBy>;

const whose = { id: EvidenceId, kind: EvidenceKind, vm: VmId, step: StepId };

export const KeptEvidence = Type.Object({
  state: Type.Literal('kept'),
  ...whose,
  name: FileName,
  sizeBytes: Size,
  sha256: Sha256,
  madeAt: IsoTime,
  /** How the collection ended, and what is known to be missing in it. */
  note: Text,
});
export type KeptEvidence = Static<typeof KeptEvidence>;

/** What a sentinel says about something it collected. lost = it was begun and could not be kept. */
export const EvidenceReport = Type.Union([
  KeptEvidence,
  Type.Object({ state: Type.Literal('lost'), ...whose, at: IsoTime, why: Text }),
  Type.Object({ state: Type.Literal('removed'), id: EvidenceId, at: IsoTime, by: RemovedBy }),
]);
export type EvidenceReport = Static<typeof EvidenceReport>;

export const EvidenceItem = Type.Object({
  id: EvidenceId,
  kind: EvidenceKind,
  vm: VmId,
  /** The sentinel that has it; `platform:NAME` for what a platform captured and the manager has. */
  host: Type.String({ maxLength: 128 }),
  /** The remediation that collected it. */
  step: StepId,
  state: Type.Enum(['kept', 'lost', 'removed']),
  name: orNull(FileName),
  sizeBytes: orNull(Size),
  sha256: orNull(Sha256),
  madeAt: IsoTime,
  note: Text,
  removedAt: orNull(IsoTime),
  removedBy: orNull(RemovedBy),
});
export type EvidenceItem = Static<typeof EvidenceItem>;

export const EvidenceView = Type.Object({
  ...EvidenceItem.properties,
  alarm: orNull(Type.String()),
  plan: orNull(Type.String()),
  /** Why retention leaves it alone; null = it may go when its time has come. */
  keptFor: orNull(Type.String()),
});
export type EvidenceView = Static<typeof EvidenceView>;

export const EvidenceHold = Type.Object({
  subject: Type.String({ maxLength: 256, description: 'id of an item, an alarm, a plan or a VM' }),
  by: Type.String({ maxLength: 256 }),
  at: IsoTime,
});
export type EvidenceHold = Static<typeof EvidenceHold>;

export const TimelineEntry = Type.Object({
  at: IsoTime,
  source: Type.String({ maxLength: 300, description: 'who says so: a sentinel, the manager, the audit log' }),
  what: Type.String({ maxLength: 2000 }),
});
export type TimelineEntry = Static<typeof TimelineEntry>;

/**
 * What was found of an item when the bundle was made. whole = the bytes have the size and the SHA-256 that were reported when it was
 * collected; not-read = nobody tried.
 */
export const ItemFound = Type.Enum([
  'whole',
  'differs',
  'cut-short',
  'gone',
  'unreachable',
  'removed',
  'lost',
  'not-read',
]);
export type ItemFound = Static<typeof ItemFound>;

export const CollectedItem = Type.Object({
  item: EvidenceItem,
  found: ItemFound,
  /** Name in the bundle; null = no byte of it is there. */
  member: orNull(Type.String({ maxLength: 99 })),
  /** Of the member's bytes, so many from the start are the item's; zeros follow. */
  readBytes: Size,
  why: Text,
});
export type CollectedItem = Static<typeof CollectedItem>;

export const BundleMember = Type.Object({
  name: Type.String({ maxLength: 99, pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]*$' }),
  sizeBytes: Size,
  sha256: Sha256,
  holds: Text,
});
export type BundleMember = Static<typeof BundleMember>;

export const bundleItemsMax = 1000;
export const timelineMax = 20_000;

export const EvidenceIndex = Type.Object({
  format: Type.Literal('plumbline.evidence/1'),
  subject: Type.Object({ kind: Type.Enum(['alarm', 'plan']), id: Type.String({ maxLength: 64 }) }),
  vm: VmId,
  vmName: Type.String({ maxLength: 256 }),
  madeAt: IsoTime,
  madeBy: Type.String({ maxLength: 256 }),
  /** In the order in which they stand in the archive; the index itself comes behind them. */
  members: Type.Array(BundleMember, { maxItems: bundleItemsMax + 100 }),
  collected: Type.Array(CollectedItem, { maxItems: bundleItemsMax }),
  snapshots: Type.Array(
    Type.Object({ name: Text, vm: VmId, state: Type.String({ maxLength: 32 }), at: IsoTime, remediation: StepId }),
    { maxItems: 1000 },
  ),
  /** By time; what has none of its own stands where it was written down. */
  timeline: Type.Array(TimelineEntry, { maxItems: timelineMax }),
  /** What is not in the bundle although it belongs there, one sentence each. */
  missing: Type.Array(Text, { maxItems: 2 * bundleItemsMax }),
});
export type EvidenceIndex = Static<typeof EvidenceIndex>;
