// Asks a manifest about one activity: null when an entry allows it, otherwise the deviation with the allowed behaviour that
// comes nearest. It weighs nothing; that is assess.
import { type Result, ok } from '../../kit/result.ts';
import type { Deviation } from '../../model/deviation.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { Activity, ProcessObservation } from '../../model/observation.ts';
import { effectiveUser } from '../../pattern/behaviour-of.ts';
import { matchesPath } from '../../pattern/path-pattern.ts';
import { matchesUser } from '../../pattern/user-pattern.ts';
import { deviates } from './decision.ts';
import { DecisionMemory } from './decision-memory.ts';
import { type EntryIndex, indexEntries, withExe } from './entry-index.ts';
import { bitsOf, usageOf } from './surprise.ts';

declare const compiled: unique symbol;

/** A manifest made ready for many questions; opaque but for its generation. */
export interface CompiledManifest {
  readonly generation: number;
  readonly [compiled]: EntryIndex;
}

interface Compiled {
  readonly generation: number;
  readonly index: EntryIndex;
  readonly usage: ReturnType<typeof usageOf>;
  readonly memory: DecisionMemory;
}

/** A problem when an entry is not in the language: such a manifest allows nothing and must not be used. */
export function compileManifest({ generation, entries }: Manifest): Result<CompiledManifest> {
  const indexed = indexEntries(entries);
  if (!indexed.ok) return indexed;
  const index = indexed.value;
  const value: Compiled = { generation, index, usage: usageOf(index), memory: new DecisionMemory(index) };
  return ok(value as unknown as CompiledManifest);
}

/** An activity that a manifest has numbered, so that asking it again is one look-up. */
export interface InternedActivity {
  readonly activity: Activity;
  readonly number: number;
  /** Whose number it is; to another manifest it says nothing. */
  readonly memory: DecisionMemory;
}

export function intern(manifest: CompiledManifest, activity: Activity): InternedActivity {
  const { memory } = manifest as unknown as Compiled;
  return { activity, number: memory.numberOf(activity), memory };
}

export function detect(manifest: CompiledManifest, activity: Activity): Deviation | null {
  return detectInterned(manifest, intern(manifest, activity));
}

/** As `detect`, for an activity that is asked about again and again. */
export function detectInterned(manifest: CompiledManifest, interned: InternedActivity): Deviation | null {
  const { memory, index, generation } = manifest as unknown as Compiled;
  const { activity, number } = interned;
  if (interned.memory !== memory) return detect(manifest, activity);
  if (memory.decide(number, activity) !== deviates) return null;
  const server = serverBehind(index, activity);
  return {
    kind: activity.kind,
    vm: activity.vm,
    at: activity.at,
    activity,
    generation,
    ...(server === null ? {} : { server }),
    nearest: memory.nearest(number, activity),
  };
}

/** Id of the entry that allows an activity; null when none does, or when it is allowed with the program that started it. */
export function allowingEntry(manifest: CompiledManifest, activity: Activity): string | null {
  const { index, memory } = manifest as unknown as Compiled;
  return index.entries[memory.decide(memory.numberOf(activity), activity)]?.id ?? null;
}

/** How unusual an activity is for the VM, in bits, whether it is allowed or not (surprise.ts). */
export function surprise(manifest: CompiledManifest, activity: Activity): number {
  const { index, usage, memory } = manifest as unknown as Compiled;
  const entry = index.entries[memory.decide(memory.numberOf(activity), activity)] ?? null;
  return bitsOf(usage.get(activity.kind), entry);
}

/** Whether this parent may start this executable as this user, whatever its arguments. Unknown parents and users are not known. */
export function isKnownStart(manifest: CompiledManifest, activity: ProcessObservation): boolean {
  const { index } = manifest as unknown as Compiled;
  const user = effectiveUser(activity.image);
  const parent = activity.parent?.exe ?? null;
  if (user === null || parent === null || activity.image.exe === null) return false;
  for (const { pattern } of withExe(index, activity))
    if (pattern.kind === 'process' && pattern.exe !== '?' && pattern.parent !== '?' && pattern.user !== 'any')
      if (matchesUser(pattern.user, user) && matchesPath(pattern.parent, parent)) return true;
  return false;
}

function serverBehind(index: EntryIndex, activity: Activity): string | null {
  const line =
    activity.kind === 'process' ? [activity.parent?.exe ?? '', ...activity.ancestors] : [activity.image?.exe ?? ''];
  return line.find((exe) => index.servers.has(exe) && !isInit(exe)) ?? null;
}

/** Everything descends from init, and with socket activation it owns listeners (systemd.socket(5)). */
function isInit(exe: string): boolean {
  return /\/(init|systemd)$/.test(exe);
}
