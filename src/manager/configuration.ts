// The manager's configuration: one YAML file, one schema, read once. What is not in the schema is refused with its line.
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { ok, type Result } from '../kit/result.ts';
import { Severity } from '../model/finding.ts';
import { findFaults } from '../model/shape-faults.ts';
import { callFaults, CallDefinitions } from './call-configuration.ts';
import { PlatformConfiguration, platformFaults, platformsMax } from './platforms/platform-configuration.ts';
import { readYaml } from './yaml-document.ts';

const strict = { additionalProperties: false } as const;

const Webhook = Type.Object(
  {
    url: Type.String({ pattern: '^https?://', maxLength: 2000 }),
    /** Signs each body (HMAC-SHA256), so that the receiver knows whom it comes from. */
    secret: Type.Optional(Type.String({ minLength: 16, maxLength: 500 })),
    minSeverity: Type.Optional(Severity),
    timeoutMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 60_000 })),
    attempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 20 })),
  },
  strict,
);

const Syslog = Type.Object(
  {
    host: Type.String({ minLength: 1, maxLength: 255 }),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    transport: Type.Optional(Type.Enum(['udp', 'tcp'])),
    facility: Type.Optional(Type.Integer({ minimum: 0, maximum: 23 })),
    minSeverity: Type.Optional(Severity),
  },
  strict,
);

const evidenceLimits = {
  daysMax: Type.Optional(Type.Integer({ minimum: 1, maximum: 3650 })),
  gigabytesMax: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
};

export const Configuration = Type.Object(
  {
    api: Type.Optional(
      Type.Object(
        { port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535, description: '0 = any free one' })) },
        strict,
      ),
    ),
    store: Type.Optional(
      Type.Object({ sizeMegabytesMax: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })) }, strict),
    ),
    /** Where people open the console; links to it stand in what calls tell. */
    console: Type.Optional(
      Type.String({
        pattern: '^https?://[^\\s<>|()"\\\\]{1,500}$',
        description: 'an address that begins with https:// or http://',
      }),
    ),
    /** What rules may have called outside, each under its name. */
    calls: Type.Optional(CallDefinitions),
    /** What was collected of VMs: how long it is kept, and how much of it, on all hosts together and on each. */
    evidence: Type.Optional(
      Type.Object({ ...evidenceLimits, host: Type.Optional(Type.Object(evidenceLimits, strict)) }, strict),
    ),
    notify: Type.Optional(
      Type.Object(
        {
          webhooks: Type.Optional(Type.Array(Webhook, { maxItems: 20 })),
          syslog: Type.Optional(Type.Array(Syslog, { maxItems: 20 })),
        },
        strict,
      ),
    ),
    platforms: Type.Optional(Type.Array(PlatformConfiguration, { maxItems: platformsMax })),
  },
  strict,
);
export type Configuration = Static<typeof Configuration>;

export const defaultPort = 7420;
export const sizeMegabytesMaxDefault = 10_240;
/** Of all hosts together. */
const evidenceDefaults = { daysMax: 90, gigabytesMax: 500 } as const;
/** Of each host. */
const hostEvidenceDefaults = { daysMax: 90, gigabytesMax: 50 } as const;

interface EvidenceLimits {
  readonly ageMsMax: number;
  readonly bytesMax: number;
}

export function evidenceLimitsOf({ evidence }: Configuration): EvidenceLimits {
  return limitsOf({ ...evidenceDefaults, ...evidence });
}

/** What a sentinel that runs beside the manager is told. */
export function hostEvidenceLimitsOf({ evidence }: Configuration): EvidenceLimits {
  return limitsOf({ ...hostEvidenceDefaults, ...evidence?.host });
}

function limitsOf({ daysMax, gigabytesMax }: { readonly daysMax: number; readonly gigabytesMax: number }) {
  return { ageMsMax: daysMax * 86_400_000, bytesMax: gigabytesMax * 2 ** 30 };
}

/** An empty file is the default configuration. `file` is named in messages only. */
export function readConfiguration(text: string, file: string): Result<Configuration> {
  const read = readYaml(text, file, (value) => {
    const faults = findFaults(Configuration, value ?? {});
    if (faults.length > 0) return faults;
    const { calls = {}, platforms = [] } = (value as Configuration | null) ?? {};
    return [...callFaults(calls), ...platformFaults(platforms)];
  });
  if (!read.ok) return read;
  return ok(Value.Parse(Configuration, read.value ?? {}));
}
