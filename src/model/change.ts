// A change of what is installed on a VM: said beforehand by a person or a provisioning system, or seen to be made by the package
// manager. While its window is open it admits what it brings, and nothing else; what it admitted is told and waits for a person.
import { Type, type Static } from 'typebox';
import { IsoTime, Name, VmId } from './name.ts';

/** declared = somebody said so beforehand, and it travels signed in the manifest; observed = the package manager was seen at it. */
export const ChangeCause = Type.Enum(['declared', 'observed']);
export type ChangeCause = Static<typeof ChangeCause>;

const namesMax = 500;

/** Names without version and architecture. */
export const ChangedPackages = Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: namesMax });
/** Executables by their paths. */
export const ChangedPrograms = Type.Array(Type.String({ pattern: '^/', maxLength: 4096 }), { maxItems: namesMax });
export const ChangedPorts = Type.Array(Type.Integer({ minimum: 1, maximum: 65_535 }), { maxItems: 100 });

export const ChangeWindow = Type.Object({
  id: Type.String({ maxLength: 64 }),
  cause: ChangeCause,
  from: IsoTime,
  until: IsoTime,
  packages: ChangedPackages,
  /** Executables that whoever declared the change brings or runs himself. */
  programs: ChangedPrograms,
  /** Ports on which they may listen and be reached. */
  ports: ChangedPorts,
  /** Who had the packages installed, and may therefore be about to use them; null = anybody. */
  starter: Type.Union([Type.String({ maxLength: 8192 }), Type.Null()]),
});
export type ChangeWindow = Static<typeof ChangeWindow>;

/** A manifest carries no more of them at a time. */
export const changeWindowsMax = 16;

const Count = Type.Integer({ minimum: 0 });

/** A change as a person reads it, with what came of it. */
export const Change = Type.Object({
  ...ChangeWindow.properties,
  scope: Name,
  service: Name,
  /** For which members it holds. */
  members: Type.Array(Type.Object({ vm: VmId, name: Type.String() })),
  by: Type.String({ description: 'who declared it, or the sentinel that saw it' }),
  /** Before its time was over; null = nobody closed it. */
  closed: Type.Union([Type.Object({ by: Type.String(), at: IsoTime }), Type.Null()]),
  open: Type.Boolean(),
  admitted: Type.Object({
    behaviours: Count,
    times: Count,
    /** How many of the behaviours still wait for a person to take them into the manifests or not. */
    waiting: Count,
    /** Behaviours that were admitted and for which there was no room. */
    notKept: Count,
    /** The highest risk any of them was rated at, from 0 to 100. */
    risk: Type.Number({ minimum: 0, maximum: 100 }),
  }),
});
export type Change = Static<typeof Change>;
