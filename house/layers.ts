// The may-import table: which room may know which. A test holds every import of the tree against it; a new arrow takes an ADR.

export interface Room {
  readonly name: string;
  /** Rooms whose files may be imported; a room may always import itself. `sensors/*` = any sensor. */
  readonly mayImport: readonly string[];
  /** npm packages its production code may import; an empty list keeps a room free of foreign code. */
  readonly packages: readonly string[];
}

const stages = [
  'stages/normalise',
  'stages/learn',
  'stages/draft',
  'stages/detect',
  'stages/assess',
  'stages/respond',
] as const;
const foreignSensors = ['sensors/ndjson'] as const;

const stageRooms: readonly Room[] = stages.map((name) => ({
  name,
  mayImport: ['kit', 'model', 'pattern'],
  packages: [],
}));

/** First match wins, so that the longer path stands first. A folder `x/*` makes one room of each folder below x. */
export const rooms: readonly Room[] = [
  { name: 'kit', mayImport: [], packages: [] },
  { name: 'model', mayImport: ['kit'], packages: ['typebox'] },
  // sax reads the XML of management servers.
  { name: 'protocols', mayImport: ['kit'], packages: ['typebox', 'sax'] },
  { name: 'pattern', mayImport: ['kit', 'model'], packages: ['@noble/hashes'] },
  ...stageRooms,
  { name: 'introspection', mayImport: ['kit', 'protocols'], packages: [] },
  { name: 'sensors/introspection', mayImport: ['kit', 'model', 'protocols', 'introspection'], packages: [] },
  { name: 'sensors/*', mayImport: ['kit', 'model', 'protocols'], packages: ['typebox'] },
  // A kind of connector holds its contract in files right below connectors/KIND; each implementation is a folder of its own.
  { name: 'connectors/*/*', mayImport: ['kit', 'model', 'protocols', 'connectors/KIND'], packages: [] },
  { name: 'connectors/*', mayImport: ['kit', 'model', 'protocols'], packages: ['typebox'] },
  { name: 'wire', mayImport: ['kit', 'model'], packages: ['typebox'] },
  { name: 'evaluate', mayImport: ['kit', 'model', 'pattern', ...stages, ...foreignSensors], packages: ['typebox'] },
  {
    name: 'sentinel',
    mayImport: [
      'kit',
      'model',
      'pattern',
      ...stages,
      'introspection',
      'sensors/*',
      'connectors/enforcement',
      'connectors/attestation',
      'protocols',
      'wire',
    ],
    packages: ['typebox', '@noble/hashes'],
  },
  {
    name: 'manager',
    mayImport: ['kit', 'model', 'pattern', ...stages, 'connectors/*', ...foreignSensors, 'protocols', 'wire'],
    packages: [
      'typebox',
      'fastify',
      '@fastify/type-provider-typebox',
      '@fastify/swagger',
      'kysely',
      'yaml',
      '@noble/hashes',
    ],
  },
  { name: 'client', mayImport: ['kit', 'model'], packages: ['typebox'] },
  // cli starts programs and does nothing else with them.
  {
    name: 'cli',
    mayImport: ['kit', 'model', 'client', 'sentinel', 'manager', 'evaluate', 'wire'],
    packages: ['commander', 'yaml', 'pino'],
  },
  {
    name: 'sim',
    mayImport: [
      'kit',
      'model',
      'protocols',
      'pattern',
      ...stages,
      'introspection',
      'sensors/*',
      'connectors/*',
      'wire',
    ],
    packages: [],
  },
];

/** Outside src: plain bootstrap and tools. They may import any room; no room imports them. */
export const outsideRooms: readonly string[] = ['house', 'lab', 'bench', 'scripts', 'bin', 'web', 'e2e'];

/** Imported by tests, benches and their own only: production never stands on a fake or on the lab. */
export const testOnlyRooms: readonly string[] = ['sim', 'lab', 'e2e'];

/** The room a path below the root belongs to, or null for a file in no room. */
export function roomOf(path: string): string | null {
  const parts = path.split('/');
  if (parts[0] !== 'src') return outsideRooms.find((room) => parts[0] === room) ?? null;
  const folders = parts.slice(1, -1);
  for (const depth of [3, 2, 1]) {
    if (folders.length < depth) continue;
    const name = folders.slice(0, depth).join('/');
    if (rooms.some((room) => nameMatches(room.name, name))) return name;
  }
  return null;
}

export function ruleOf(room: string): Room | null {
  return rooms.find((rule) => nameMatches(rule.name, room)) ?? null;
}

export function mayImport(from: string, to: string): boolean {
  if (from === to || outsideRooms.includes(from)) return true;
  const kind = from.split('/').slice(0, 2).join('/');
  return (ruleOf(from)?.mayImport ?? []).some((allowed) =>
    allowed === 'connectors/KIND' ? to === kind : nameMatches(allowed, to) || isBelowKind(allowed, to),
  );
}

function nameMatches(pattern: string, name: string): boolean {
  const wanted = pattern.split('/');
  const given = name.split('/');
  return wanted.length === given.length && wanted.every((part, i) => part === '*' || part === given[i]);
}

/** `connectors/enforcement` in a program's list covers the implementations of the kind as well. */
function isBelowKind(allowed: string, to: string): boolean {
  const given = to.split('/');
  return allowed.startsWith('connectors/') && given.length === 3 && nameMatches(allowed, given.slice(0, 2).join('/'));
}
