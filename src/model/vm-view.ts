// A VM together with what Plumbline was asked to do about it.
import { Type, type Static } from 'typebox';
import { Mode } from './application.ts';
import { ChangeCause } from './change.ts';
import { Delivery } from './delivery.ts';
import { IsoTime } from './name.ts';
import { PlatformSight } from './platform.ts';
import { Vm } from './vm.ts';

export const VmView = Type.Object({
  ...Vm.properties,
  /** Null = unassigned: nobody has said what this VM is for. */
  scope: Type.Union([Type.String(), Type.Null()]),
  service: Type.Union([Type.String(), Type.Null()]),
  mode: Type.Union([Mode, Type.Null()]),
  delivery: Type.Union([Delivery, Type.Null()]),
  openAlarms: Type.Integer({ minimum: 0 }),
  /** What remote platforms say of the same VM; absent = none knows it. */
  platforms: Type.Optional(Type.Array(PlatformSight)),
  /** Changes whose time is not over, with how often each admitted something. */
  changes: Type.Array(
    Type.Object({ id: Type.String(), cause: ChangeCause, until: IsoTime, admitted: Type.Integer({ minimum: 0 }) }),
  ),
});
export type VmView = Static<typeof VmView>;
