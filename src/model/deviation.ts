// An observation that no entry of the manifest allows, with the allowed behaviour that comes nearest and where it differs.
import { Type, type Static } from 'typebox';
import { Behaviour } from './behaviour.ts';
import { IsoTime, VmId } from './name.ts';
import { Activity } from './observation.ts';

export const DeviationKind = Type.Enum(['process', 'outbound', 'inbound', 'listen']);
export type DeviationKind = Static<typeof DeviationKind>;

export const Difference = Type.Object({
  field: Type.String({ description: 'exe, argv[2], user, parent, peer, port, proto' }),
  allowed: Type.String(),
  seen: Type.String(),
});
export type Difference = Static<typeof Difference>;

export const Deviation = Type.Object({
  kind: DeviationKind,
  vm: VmId,
  at: IsoTime,
  activity: Activity,
  /** The generation of the manifest that was asked. */
  generation: Type.Integer(),
  /** The executable in its line of descent, itself included for sockets, that the manifest lets be reached from the network. */
  server: Type.Optional(Type.String()),
  nearest: Type.Union([
    Type.Object({ entry: Type.String(), behaviour: Behaviour, differences: Type.Array(Difference) }),
    Type.Null(),
  ]),
});
export type Deviation = Static<typeof Deviation>;
