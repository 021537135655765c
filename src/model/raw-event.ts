// One fact as a sensor reports it, before it is understood. One shape for every sensor, recorded files included
// (the field names are those of the recorded-behaviour format). Absent means unknown, never empty.
import { Type, type Static } from 'typebox';
import { Evidence } from './observation.ts';

const Text = Type.String({ maxLength: 131_072 });
const Port = Type.Integer({ minimum: 0, maximum: 65_535 });

export const RawEventKind = Type.Enum([
  'process_start',
  'process_exit',
  'net_connect',
  'net_accept',
  'net_listen',
  'file',
  'loss',
]);
export type RawEventKind = Static<typeof RawEventKind>;

export const RawEvent = Type.Object({
  ts: Type.Optional(Type.String({ maxLength: 64, description: 'ISO 8601' })),
  /** A VmId, or the host name a foreign sensor gives. */
  host: Type.String({ maxLength: 256 }),
  kind: RawEventKind,
  evidence: Type.Optional(Evidence),
  pid: Type.Optional(Type.Integer()),
  ppid: Type.Optional(Type.Integer()),
  exe: Type.Optional(Text),
  /** True when the executable was unlinked, or never had a name in a file system (memfd). */
  deleted: Type.Optional(Type.Boolean()),
  argv: Type.Optional(Type.Array(Text, { maxItems: 4096 })),
  /** Foreign sensors give one string; argv wins where both are known. */
  cmdline: Type.Optional(Text),
  comm: Type.Optional(Text),
  uid: Type.Optional(Type.Integer()),
  euid: Type.Optional(Type.Integer()),
  user: Type.Optional(Text),
  startedAt: Type.Optional(Type.String({ maxLength: 64 })),
  /** The process ran before the sensor first looked: its start was not seen, and it may have become what it is since. */
  alreadyRunning: Type.Optional(Type.Boolean()),
  parentExe: Type.Optional(Text),
  parentArgv: Type.Optional(Type.Array(Text, { maxItems: 4096 })),
  parentCmdline: Type.Optional(Text),
  /** Executables from the parent upwards. */
  ancestors: Type.Optional(Type.Array(Text, { maxItems: 64 })),
  proto: Type.Optional(Type.Enum(['tcp', 'udp'])),
  localAddr: Type.Optional(Text),
  localPort: Type.Optional(Port),
  remoteAddr: Type.Optional(Text),
  remotePort: Type.Optional(Port),
  container: Type.Optional(Text),
  /** kind loss: from `ts` to `until` something may have gone unseen; `missed` says how much where it is known. */
  until: Type.Optional(Type.String({ maxLength: 64 })),
  missed: Type.Optional(Type.Integer({ minimum: 0 })),
  reason: Type.Optional(Text),
});
export type RawEvent = Static<typeof RawEvent>;
