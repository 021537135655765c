// How remote platforms are configured: an address, an account whose secret lies in a file, and the certificate that is expected.
import { Type, type Static } from 'typebox';
import type { PlatformKind } from '../../model/platform.ts';
import type { Fault } from '../../model/shape-faults.ts';
import { platformTable, type PlatformRow, type PlatformTable, type SecretKind } from './platform-table.ts';

const File = Type.String({ pattern: '^/[^\\0]{0,4095}$', description: 'the whole path of a file' });
const kinds = Object.keys(platformTable) as (keyof typeof platformTable)[];

export const PlatformConfiguration = Type.Object(
  {
    /** Short, since it becomes part of the ids of VMs that have no UUID. */
    name: Type.String({
      pattern: '^[a-z0-9]([a-z0-9._-]{0,22}[a-z0-9])?$',
      description: 'lower-case letters, digits, dot, dash, underscore; 24 at most',
    }),
    kind: Type.Enum(kinds),
    url: Type.String({ pattern: '^https://[^/?#@\\s]{1,255}/?$', description: 'https://HOST[:PORT] and nothing more' }),
    user: Type.String({ minLength: 1, maxLength: 256 }),
    passwordFile: Type.Optional(File),
    tokenFile: Type.Optional(File),
    /** Left out it is refused when the manager starts, with the one that the server shows. */
    certificateSha256: Type.Optional(
      Type.String({
        pattern: '^([0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$',
        description: 'a SHA-256 of 64 hexadecimal digits, with or without colons',
      }),
    ),
    /** Where `reroute` leads on this platform, by what a response policy calls its `inspection`. */
    inspection: Type.Optional(
      Type.Record(
        Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$' }),
        Type.String({ minLength: 1, maxLength: 512 }),
        { maxProperties: 16, additionalProperties: false },
      ),
    ),
    /** Port group that the cards of a VM in quarantine are moved to; left out = their links are taken down. */
    isolationNetwork: Type.Optional(
      Type.String({
        pattern: '^[^\\u0000-\\u001f\\u007f]{1,80}$',
        description: 'the name of a port group, 80 characters at most',
      }),
    ),
  },
  { additionalProperties: false },
);
export type PlatformConfiguration = Omit<Static<typeof PlatformConfiguration>, 'kind'> & {
  readonly kind: PlatformKind;
};

export const platformsMax = 32;

/** What a schema cannot say. `platforms` has passed its schema. */
export function platformFaults(
  platforms: readonly PlatformConfiguration[],
  table: PlatformTable = platformTable,
): Fault[] {
  return platforms.flatMap((platform, index) => {
    const path = ['platforms', index];
    const twin = platforms.findIndex(({ name }) => name === platform.name);
    return [
      ...(twin === index ? [] : [{ path: [...path, 'name'], message: `is the name of platform ${twin} already` }]),
      ...secretFaults(platform, table[platform.kind]).map((message) => ({ path, message })),
      ...inspectionFaults(platform, table[platform.kind]).map((fault) => ({
        ...fault,
        path: [...path, ...fault.path],
      })),
      ...isolationFaults(platform, table[platform.kind], path),
    ];
  });
}

function secretFaults(platform: PlatformConfiguration, row: PlatformRow | undefined): string[] {
  if (row === undefined) return [`is of kind ${platform.kind}, which this manager has no adapter for`];
  const given = secretFiles(platform);
  const [first] = given;
  const wanted = row.secrets.map((kind) => fileFields[kind]).join(' or ');
  if (first === undefined || given.length > 1) return [`needs exactly one secret: ${wanted}`];
  return row.secrets.includes(first.kind) ? [] : [`takes ${wanted}, not ${fileFields[first.kind]}`];
}

function inspectionFaults({ kind, inspection = {} }: PlatformConfiguration, row: PlatformRow | undefined): Fault[] {
  const points = Object.entries(inspection);
  const point = row?.inspectionPoint;
  if (row === undefined || points.length === 0) return [];
  if (point === undefined)
    return [
      { path: ['inspection'], message: `is given, and nothing is led anywhere through a platform of kind ${kind}` },
    ];
  const wrong = points.filter(([, place]) => !point.form.test(place));
  return wrong.map(([name]) => ({ path: ['inspection', name], message: `is not ${point.words}` }));
}

function isolationFaults(
  { kind, isolationNetwork }: PlatformConfiguration,
  row: PlatformRow | undefined,
  path: Fault['path'],
): Fault[] {
  if (isolationNetwork === undefined || row?.isolationPrices !== undefined) return [];
  return [{ path: [...path, 'isolationNetwork'], message: `is not for platforms of kind ${kind}` }];
}

const fileFields = { password: 'passwordFile', token: 'tokenFile' } as const satisfies Record<SecretKind, string>;

export function secretFiles(platform: PlatformConfiguration): { readonly kind: SecretKind; readonly file: string }[] {
  return (['password', 'token'] as const).flatMap((kind) => {
    const file = platform[fileFields[kind]];
    return file === undefined ? [] : [{ kind, file }];
  });
}
