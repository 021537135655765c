// Remote virtualisation platforms as the manager knows them: how each is, and what it says of its VMs. Nothing is watched there.
import { Type, type Static } from 'typebox';
import { IsoTime, Name, VmId } from './name.ts';
import { Ability } from './plan.ts';

export const platformKindNames = ['vsphere', 'proxmox', 'nsx'] as const;
export const PlatformKind = Type.Enum([...platformKindNames]);
export type PlatformKind = Static<typeof PlatformKind>;

const Text = Type.String({ maxLength: 4096 });

/** What a platform says of one VM. Names, tags and attributes are other people's text. */
export const PlatformSight = Type.Object({
  platform: Name,
  kind: PlatformKind,
  id: Type.String({ maxLength: 4096, description: 'as the platform itself calls it: vm-42, pve1/100' }),
  vm: VmId,
  name: Text,
  state: Type.Enum(['running', 'suspended', 'off', 'unknown']),
  host: Type.Union([Text, Type.Null()]),
  addresses: Type.Array(Type.String({ maxLength: 45 })),
  tags: Type.Array(Text),
  attributes: Type.Record(Type.String(), Text),
  cards: Type.Array(Type.Object({ id: Text, mac: Text, network: Text, isConnected: Type.Boolean() })),
  /** A sentinel reports the same VM from the host it runs on. */
  isWatched: Type.Boolean(),
  /** Measures on its network that are held through this platform. */
  measures: Type.Array(Type.String({ maxLength: 300 })),
});
export type PlatformSight = Static<typeof PlatformSight>;

const Count = Type.Integer({ minimum: 0 });

export const PlatformHealth = Type.Object({
  name: Name,
  kind: PlatformKind,
  place: Type.String({ description: 'its address' }),
  /** away = the last question was not answered; what it said before is kept and grows old. */
  state: Type.Enum(['unasked', 'reachable', 'away']),
  since: IsoTime,
  /** Why it is away. */
  why: Type.Union([Type.String({ maxLength: 2000 }), Type.Null()]),
  lastReadAt: Type.Union([IsoTime, Type.Null()]),
  /**
   * followed = it tells of changes as they happen. broken = it does not now, though it could. polled = it never does. Unless they are
   * followed, they are seen when it is read next.
   */
  changes: Type.Object({
    state: Type.Enum(['followed', 'broken', 'polled']),
    since: IsoTime,
    /** Why they are not followed now. */
    why: Type.Union([Type.String({ maxLength: 2000 }), Type.Null()]),
  }),
  vms: Count,
  /** It has more VMs than were read. */
  isCut: Type.Boolean(),
  /** What could not be read, and why. */
  gaps: Type.Array(Type.String({ maxLength: 2000 }), { maxItems: 64 }),
  /** What can be done to one of its VMs, as it said when it was last read. */
  abilities: Type.Array(Ability),
  /** Name of the VM that was asked about; null = none was. */
  abilitiesOf: Type.Union([Text, Type.Null()]),
  /** Measures on the network that are held through it, and how often one was found missing since the manager started. */
  measures: Type.Object({ wanted: Count, putBack: Count, notPutBack: Count }),
});
export type PlatformHealth = Static<typeof PlatformHealth>;
