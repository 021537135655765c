// What a user declares of his applications in one document, kept in version control and applied again and again.
import { Type, type Static } from 'typebox';
import { Mode, Sight } from './application.ts';
import { Name } from './name.ts';
import { ResponsePolicy } from './response-policy.ts';
import { Rule } from './rule.ts';

/** How a person names a VM: by its name, its id, or the pid of its QEMU process. */
export const VmReference = Type.String({ minLength: 1, maxLength: 256, description: 'VM name, id or pid' });
export type VmReference = Static<typeof VmReference>;

const strict = { additionalProperties: false } as const;

export const DeclaredRule = Type.Object(Rule.properties, strict);

export const DeclaredService = Type.Object(
  {
    name: Name,
    description: Type.Optional(Type.String({ maxLength: 2000 })),
    members: Type.Optional(Type.Array(VmReference, { maxItems: 10_000 })),
    /** Absent = leave the rules as they are; empty = none. */
    rules: Type.Optional(Type.Array(DeclaredRule, { maxItems: 100 })),
    /** Absent = leave it as it is; a new service begins with sweeps. */
    sight: Type.Optional(Sight),
    /** Absent = leave it as it is; empty = the limits every service has. */
    response: Type.Optional(ResponsePolicy),
  },
  strict,
);
export type DeclaredService = Static<typeof DeclaredService>;

export const DeclaredScope = Type.Object(
  {
    name: Name,
    description: Type.Optional(Type.String({ maxLength: 2000 })),
    /** Absent = leave the mode as it is; a new scope begins in capture. */
    mode: Type.Optional(Mode),
    services: Type.Optional(Type.Array(DeclaredService, { maxItems: 1000 })),
  },
  strict,
);
export type DeclaredScope = Static<typeof DeclaredScope>;

export const Declaration = Type.Object({ scopes: Type.Array(DeclaredScope, { maxItems: 1000 }) }, strict);
export type Declaration = Static<typeof Declaration>;

/** One thing that applying a declaration changed, or would change. */
export const DeclaredChange = Type.Object({
  verb: Type.Enum(['created', 'changed', 'removed']),
  subject: Type.String({ description: 'scope shop; service shop/web; member web1 of shop/web; rules of shop/web' }),
  detail: Type.String(),
});
export type DeclaredChange = Static<typeof DeclaredChange>;

export const Applied = Type.Object({
  changes: Type.Array(DeclaredChange),
  /** What is not wrong but should be known: a member whose VM has not appeared yet, something declared no longer. */
  notes: Type.Array(Type.String()),
});
export type Applied = Static<typeof Applied>;
