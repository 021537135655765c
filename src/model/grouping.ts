// VMs in no service, put together by what they show: groups that could be services, VMs that could join one, and those that are
// like nobody else.
import { Type, type Static } from 'typebox';
import { Declaration } from './declaration.ts';
import { Name, VmId } from './name.ts';
import { VmTrait } from './vm-trait.ts';

const Share = Type.Number({ minimum: 0, maximum: 1 });

export const GroupTrait = Type.Object({
  trait: VmTrait,
  /** Shares of the machines inside the group and outside that show it. */
  inside: Share,
  outside: Share,
});
export type GroupTrait = Static<typeof GroupTrait>;

export const VmGroup = Type.Object({
  /** The service they are like; null = they could be a new one. */
  join: Type.Union([Type.Object({ scope: Name, service: Name }), Type.Null()]),
  members: Type.Array(
    Type.Object({
      vm: VmId,
      name: Type.String(),
      /** Its silhouette: how much nearer it is to the group than to the next one, from -1 to 1. */
      score: Type.Number({ minimum: -1, maximum: 1 }),
    }),
  ),
  /** Mean silhouette of its members. */
  score: Type.Number({ minimum: -1, maximum: 1 }),
  /** Traits that any of them shows, and how many all do. */
  traits: Type.Integer({ minimum: 0 }),
  shared: Type.Integer({ minimum: 0 }),
  /** What most of them show and few others do. */
  distinguishing: Type.Array(GroupTrait),
});
export type VmGroup = Static<typeof VmGroup>;

export const LoneVm = Type.Object({
  vm: VmId,
  name: Type.String(),
  why: Type.String(),
  nearest: Type.Union([Type.Object({ vm: VmId, name: Type.String(), similarity: Share }), Type.Null()]),
});
export type LoneVm = Static<typeof LoneVm>;

export const Grouping = Type.Object({
  groups: Type.Array(Type.Object({ ...VmGroup.properties, service: Name })),
  lone: Type.Array(LoneVm),
  /** What `apply` takes to make it so. */
  declaration: Declaration,
  notes: Type.Array(Type.String()),
});
export type Grouping = Static<typeof Grouping>;
