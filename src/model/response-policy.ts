// How far answers may go for a service: what must stay reachable, which VMs are never touched, when nothing acts alone, and
// how many VMs may be cut off or stopped before a person has to agree.
import { Type, type Static } from 'typebox';
import { AddressBlock } from './network-measure.ts';
import { VmId } from './name.ts';

const strict = { additionalProperties: false } as const;
const TimeOfDay = Type.String({ pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$', description: 'HH:MM, UTC' });

/** A part of a day that comes again. `to` before `from` = over midnight; both the same = the whole day. */
export const Hours = Type.Object(
  {
    /** 0 = Sunday; the day on which it begins. Absent = every day. */
    days: Type.Optional(Type.Array(Type.Integer({ minimum: 0, maximum: 6 }), { maxItems: 7 })),
    from: TimeOfDay,
    to: TimeOfDay,
  },
  strict,
);
export type Hours = Static<typeof Hours>;

const Blocks = Type.Array(AddressBlock, { maxItems: 64 });

export const ResponsePolicy = Type.Object(
  {
    /** Who may still reach a quarantined VM; never blocked. */
    management: Type.Optional(Blocks),
    /** Routers on the way to management. */
    routers: Type.Optional(Type.Array(AddressBlock, { maxItems: 16 })),
    /** Peers that no answer cuts off (name and time servers, directories); a quarantined VM reaches them too. */
    protectedPeers: Type.Optional(Blocks),
    /** VMs that no answer isolates or stops: those that Plumbline itself or everybody else stands on. */
    protectedVms: Type.Optional(Type.Array(VmId, { maxItems: 1000 })),
    /** Inspection point that `reroute` leads through: a bridge on the VM's host, or a name in its platform's configuration. */
    inspection: Type.Optional(Type.String({ minLength: 1, maxLength: 15 })),
    /** Absolute path, on the host of the VM, of the disk image that `re-image` starts its VMs from anew. */
    goldenImage: Type.Optional(Type.String({ pattern: '^/[^\\u0000-\\u001f\\u007f]+$', maxLength: 1024 })),
    /** Changes are being made: everything waits for a person. */
    maintenance: Type.Optional(Type.Array(Hours, { maxItems: 32 })),
    /** Nobody is there to mend it: what isolates or stops a VM waits for a person. */
    quiet: Type.Optional(Type.Array(Hours, { maxItems: 32 })),
    /** How many other VMs may have been isolated or stopped within `minutes` before a person is asked. */
    limits: Type.Optional(
      Type.Object(
        {
          service: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
          scope: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
          host: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
          minutes: Type.Optional(Type.Integer({ minimum: 1, maximum: 1440 })),
        },
        strict,
      ),
    ),
    /** Everything is planned, recorded and shown, and nothing done. */
    dryRun: Type.Optional(Type.Boolean()),
  },
  strict,
);
export type ResponsePolicy = Static<typeof ResponsePolicy>;
