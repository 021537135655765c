// One fact a sensor saw, understood: a program that started, a connection, a listener, or a time in which nothing could be seen.
import { Type, type Static } from 'typebox';
import { IsoTime } from './name.ts';

/** outside = read from outside the guest; guarded = by a guest sensor we watch; claimed = the guest says so. */
export const Evidence = Type.Enum(['outside', 'guarded', 'claimed']);
export type Evidence = Static<typeof Evidence>;

const Text = Type.String({ maxLength: 131_072 });
const Port = Type.Integer({ minimum: 0, maximum: 65_535 });

/** What a process runs: its identity, not its pid. `exe` null = unknown. */
export const ProcessImage = Type.Object({
  exe: Type.Union([Text, Type.Null()]),
  deleted: Type.Boolean(),
  argv: Type.Array(Text, { maxItems: 4096 }),
  uid: Type.Union([Type.Integer(), Type.Null()]),
  euid: Type.Union([Type.Integer(), Type.Null()]),
});
export type ProcessImage = Static<typeof ProcessImage>;

const seen = { vm: Type.String({ maxLength: 256 }), at: IsoTime, evidence: Evidence };

export const ProcessObservation = Type.Object({
  kind: Type.Literal('process'),
  ...seen,
  pid: Type.Union([Type.Integer(), Type.Null()]),
  ppid: Type.Union([Type.Integer(), Type.Null()]),
  image: ProcessImage,
  parent: Type.Union([
    Type.Object({ exe: Type.Union([Text, Type.Null()]), argv: Type.Array(Text, { maxItems: 4096 }) }),
    Type.Null(),
  ]),
  /** Executables from the parent upwards; empty = unknown. */
  ancestors: Type.Array(Text, { maxItems: 64 }),
  /** It ran before the sensor first looked: the user it started as is not known. */
  alreadyRunning: Type.Optional(Type.Boolean()),
});
export type ProcessObservation = Static<typeof ProcessObservation>;

export const Protocol = Type.Enum(['tcp', 'udp']);
export type Protocol = Static<typeof Protocol>;

/** Local and remote as the VM sees them. `image` null = no process owns the socket any more (orphan, TIME_WAIT) or none is known. */
export const ConnectionObservation = Type.Object({
  kind: Type.Enum(['outbound', 'inbound']),
  ...seen,
  pid: Type.Union([Type.Integer(), Type.Null()]),
  image: Type.Union([ProcessImage, Type.Null()]),
  proto: Protocol,
  localAddr: Text,
  localPort: Port,
  remoteAddr: Text,
  remotePort: Port,
});
export type ConnectionObservation = Static<typeof ConnectionObservation>;

export const ListenObservation = Type.Object({
  kind: Type.Literal('listen'),
  ...seen,
  pid: Type.Union([Type.Integer(), Type.Null()]),
  image: Type.Union([ProcessImage, Type.Null()]),
  proto: Protocol,
  localAddr: Text,
  localPort: Port,
});
export type ListenObservation = Static<typeof ListenObservation>;

/** A time in which something may have gone unseen. Never counts as quiet, never as learned. */
export const LossObservation = Type.Object({
  kind: Type.Literal('loss'),
  ...seen,
  until: IsoTime,
  missed: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
  reason: Type.String({ maxLength: 500 }),
});
export type LossObservation = Static<typeof LossObservation>;

/** What can be learned and judged; a loss is neither. */
export const Activity = Type.Union([ProcessObservation, ConnectionObservation, ListenObservation]);
export type Activity = Static<typeof Activity>;

export const Observation = Type.Union([Activity, LossObservation]);
export type Observation = Static<typeof Observation>;

/** The same activity seen `count` times on one VM: what learning takes, and what a sentinel sends instead of every repetition. */
export const Observed = Type.Object({
  activity: Activity,
  count: Type.Integer({ minimum: 1 }),
  firstAt: IsoTime,
  lastAt: IsoTime,
});
export type Observed = Static<typeof Observed>;
