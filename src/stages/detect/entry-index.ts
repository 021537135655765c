// The entries of a manifest, parsed and arranged so that asking whether one activity is allowed looks at few of them.
import { type Problem, problem } from '../../kit/problem.ts';
import { type Result, fail, ok } from '../../kit/result.ts';
import type { Behaviour } from '../../model/behaviour.ts';
import type { ManifestEntry } from '../../model/manifest.ts';
import type {
  Activity,
  ConnectionObservation,
  ListenObservation,
  ProcessObservation,
} from '../../model/observation.ts';
import { type BehaviourPattern, parseBehaviour } from '../../pattern/behaviour-pattern.ts';
import type { PathPattern } from '../../pattern/path-pattern.ts';

export interface CompiledEntry {
  readonly id: string;
  readonly behaviour: Behaviour;
  readonly pattern: BehaviourPattern;
  /** How often it was seen while it was learned; 0 = it was not learned. */
  readonly count: number;
}

type Buckets = ReadonlyMap<string, readonly CompiledEntry[]>;

export interface EntryIndex {
  /** Every behaviour by its one text: what was learned comes back as the same behaviour nearly always. */
  readonly texts: ReadonlyMap<string, CompiledEntry>;
  readonly all: Buckets;
  readonly byExe: Buckets;
  readonly byParent: Buckets;
  readonly byPort: Buckets;
  /** Executables with at least one listener or caller. */
  readonly servers: ReadonlySet<string>;
}

export function indexEntries(entries: readonly ManifestEntry[]): Result<EntryIndex> {
  const texts = new Map<string, CompiledEntry>();
  const servers = new Set<string>();
  const maps = { all: new Map(), byExe: new Map(), byParent: new Map(), byPort: new Map() } satisfies Record<
    string,
    Map<string, CompiledEntry[]>
  >;
  for (const { id, behaviour, provenance } of entries) {
    const parsed = parseBehaviour(behaviour);
    if (!parsed.ok) return fail(unreadable(id, parsed.error));
    const pattern = parsed.value;
    const entry: CompiledEntry = { id, behaviour, pattern, count: provenance.count ?? 0 };
    const { kind } = pattern;
    texts.set(behaviourText(behaviour), entry);
    add(maps.all, kind, entry);
    add(maps.byExe, `${kind} ${bucketOf(pattern.exe)}`, entry);
    if (pattern.kind === 'process') {
      add(maps.byParent, bucketOf(pattern.parent), entry);
      continue;
    }
    const { low, high } = pattern.port;
    add(maps.byPort, portBucket(kind, pattern.proto, low === high ? low : wide), entry);
    if (kind !== 'outbound') servers.add(bucketOf(pattern.exe));
  }
  servers.delete(wide);
  return ok({ texts, ...maps, servers });
}

function unreadable(id: string, cause: Problem): Problem {
  return problem('unreadable', `Manifest entry ${id} cannot be used: ${cause.message}`, cause.mend);
}

/** Bucket of what is not one literal value. No path is empty, so it is nobody's name. */
const wide = '';

function bucketOf(path: PathPattern): string {
  return path === '?' ? wide : (path.literal ?? wide);
}

function portBucket(kind: string, proto: string, port: number | typeof wide): string {
  return `${kind} ${proto} ${port}`;
}

function add(buckets: Map<string, CompiledEntry[]>, key: string, entry: CompiledEntry): void {
  const bucket = buckets.get(key);
  if (bucket === undefined) buckets.set(key, [entry]);
  else bucket.push(entry);
}

/** Equal behaviours have equal texts; cheaper than an id and never shown. */
export function behaviourText(behaviour: Behaviour): string {
  const { kind, exe } = behaviour;
  if (kind === 'process') return JSON.stringify([kind, exe, behaviour.user, behaviour.parent, behaviour.argv]);
  return JSON.stringify([kind, exe, behaviour.proto, behaviour.port, kind === 'listen' ? null : behaviour.peer]);
}

/** The entries that may admit the activity; all others surely do not. */
export function* candidates(index: EntryIndex, activity: Activity): Generator<CompiledEntry> {
  if (activity.kind === 'process') yield* withExe(index, activity);
  else yield* withPort(index, activity);
}

/** Entries of the same kind whose executable may be this one. An unknown executable may be any. */
export function* withExe(index: EntryIndex, activity: Activity): Generator<CompiledEntry> {
  const exe = activity.image?.exe ?? null;
  if (exe === null) return yield* index.all.get(activity.kind) ?? [];
  yield* index.byExe.get(`${activity.kind} ${exe}`) ?? [];
  yield* index.byExe.get(`${activity.kind} ${wide}`) ?? [];
}

export function* withParent(index: EntryIndex, activity: ProcessObservation): Generator<CompiledEntry> {
  const exe = activity.parent?.exe ?? null;
  if (exe !== null) yield* index.byParent.get(exe) ?? [];
}

export function* withPort(
  index: EntryIndex,
  activity: ConnectionObservation | ListenObservation,
): Generator<CompiledEntry> {
  const { kind, proto } = activity;
  yield* index.byPort.get(portBucket(kind, proto, servicePort(activity))) ?? [];
  yield* index.byPort.get(portBucket(kind, proto, wide)) ?? [];
}

/** The port that names the service: the other side's when the VM calls, its own otherwise. */
export function servicePort(activity: ConnectionObservation | ListenObservation): number {
  return activity.kind === 'outbound' ? activity.remotePort : activity.localPort;
}
