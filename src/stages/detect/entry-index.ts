// The entries of a manifest, checked and arranged so that asking about one activity looks at few of them.
import { AgingMap } from '../../kit/aging-map.ts';
import { problem } from '../../kit/problem.ts';
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
import { parsePort } from '../../pattern/port-pattern.ts';
import { Chains } from './chains.ts';
import { PatternTexts } from './pattern-texts.ts';
import { ProcessIndex } from './process-index.ts';
import { SocketIndex, servicePort } from './socket-index.ts';

export interface CompiledEntry {
  readonly id: string;
  readonly behaviour: Behaviour;
  readonly pattern: BehaviourPattern;
}

export interface EntryIndex {
  readonly entries: readonly ManifestEntry[];
  readonly patterns: PatternTexts;
  readonly processes: ProcessIndex;
  readonly sockets: SocketIndex;
  readonly near: Near;
  /** Executables with at least one listener or caller. */
  readonly servers: ReadonlySet<string>;
}

/** Finds what comes near, in the manifest's order. */
interface Near {
  readonly byKind: Chains<string>;
  readonly byExe: Chains<string>;
  readonly byParent: Chains<string>;
  readonly byPort: Chains<string>;
  /** Whole patterns of entries that something came near to; most entries never are. */
  readonly parsed: AgingMap<number, BehaviourPattern>;
}

/** Of each age: several searches' worth. */
const parsedMax = 2048;

/** A problem when an entry is not in the language. */
export function indexEntries(entries: readonly ManifestEntry[]): Result<EntryIndex> {
  const patterns = new PatternTexts();
  for (const { id, behaviour } of entries) {
    const taken = patterns.take(behaviour);
    if (taken.ok) continue;
    const { message, mend } = taken.error;
    return fail(problem('unreadable', `Manifest entry ${id} cannot be used: ${message}`, mend));
  }
  const behaviours = entries.map(({ behaviour }) => behaviour);
  const chain = (): Chains<string> => new Chains(entries.length);
  const near = {
    byKind: chain(),
    byExe: chain(),
    byParent: chain(),
    byPort: chain(),
    parsed: new AgingMap<number, BehaviourPattern>(parsedMax),
  };
  const servers = new Set<string>();
  // Each goes to the front of its chains, so that these run in the manifest's order.
  for (const [fromEnd, behaviour] of behaviours.toReversed().entries()) {
    arrange(near, patterns, behaviour, entries.length - 1 - fromEnd);
    const server = patterns.onlyPath(behaviour.exe);
    if ((behaviour.kind === 'inbound' || behaviour.kind === 'listen') && server !== null) servers.add(server);
  }
  const processes = new ProcessIndex(behaviours, patterns);
  const sockets = new SocketIndex(behaviours, patterns);
  return ok({ entries, patterns, processes, sockets, near, servers });
}

function arrange(
  { byKind, byExe, byParent, byPort }: Near,
  patterns: PatternTexts,
  behaviour: Behaviour,
  at: number,
): void {
  const { kind } = behaviour;
  byKind.add(kind, at);
  byExe.add(`${kind} ${patterns.onlyPath(behaviour.exe) ?? wide}`, at);
  if (kind === 'process') byParent.add(patterns.onlyPath(behaviour.parent) ?? wide, at);
  else byPort.add(portBucket(kind, behaviour.proto, onlyPort(behaviour.port) ?? wide), at);
}

/** Bucket of what is not one literal value. No path is empty, so it is nobody's name. */
const wide = '';

function onlyPort(text: string): number | null {
  const port = parsePort(text);
  return port.ok && port.value.low === port.value.high ? port.value.low : null;
}

function portBucket(kind: string, proto: string, port: number | typeof wide): string {
  return `${kind} ${proto} ${port}`;
}

/** Entries of the same kind whose executable may be this one. An unknown executable may be any. */
export function* withExe(index: EntryIndex, { kind, image }: Activity): Generator<CompiledEntry> {
  const { byKind, byExe } = index.near;
  const exe = image?.exe ?? null;
  if (exe === null) return yield* compiled(index, byKind.of(kind));
  yield* compiled(index, byExe.of(`${kind} ${exe}`));
  yield* compiled(index, byExe.of(`${kind} ${wide}`));
}

export function* withParent(index: EntryIndex, { parent }: ProcessObservation): Generator<CompiledEntry> {
  const exe = parent?.exe ?? null;
  if (exe !== null) yield* compiled(index, index.near.byParent.of(exe));
}

export function* withPort(
  index: EntryIndex,
  activity: ConnectionObservation | ListenObservation,
): Generator<CompiledEntry> {
  const { kind, proto } = activity;
  yield* compiled(index, index.near.byPort.of(portBucket(kind, proto, servicePort(activity))));
  yield* compiled(index, index.near.byPort.of(portBucket(kind, proto, wide)));
}

function* compiled({ entries, near: { parsed } }: EntryIndex, places: Iterable<number>): Generator<CompiledEntry> {
  for (const at of places) {
    const entry = entries[at];
    if (entry === undefined) continue;
    const { id, behaviour } = entry;
    const before = parsed.get(at);
    const pattern = before === undefined ? parseBehaviour(behaviour) : ok(before);
    if (!pattern.ok) continue;
    if (before === undefined) parsed.set(at, pattern.value);
    yield { id, behaviour, pattern: pattern.value };
  }
}

/** What takes several executables or ports comes after what names the one. Nothing names an executable that is not known. */
export function isWide({ patterns }: EntryIndex, behaviour: Behaviour, { image }: Activity): boolean {
  if (behaviour.kind !== 'process') return onlyPort(behaviour.port) === null;
  return image?.exe !== null && patterns.onlyPath(behaviour.exe) === null;
}
