// Asks a manifest about one activity: null when an entry allows it, otherwise the deviation with the allowed behaviour that
// comes nearest. It weighs nothing; that is assess.
import { type Result, ok } from '../../kit/result.ts';
import type { Deviation } from '../../model/deviation.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { Activity, ProcessObservation } from '../../model/observation.ts';
import { admits } from '../../pattern/behaviour-pattern.ts';
import { behaviourOf, effectiveUser } from '../../pattern/behaviour-of.ts';
import { isHelper } from '../../pattern/front-ends.ts';
import { matchesPath } from '../../pattern/path-pattern.ts';
import { knownProgram } from '../../pattern/program.ts';
import { matchesUser } from '../../pattern/user-pattern.ts';
import {
  type CompiledEntry,
  type EntryIndex,
  behaviourText,
  candidates,
  indexEntries,
  withExe,
} from './entry-index.ts';
import { nearestEntry } from './nearest.ts';
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
}

/** A problem when an entry is not in the language: such a manifest allows nothing and must not be used. */
export function compileManifest(manifest: Manifest): Result<CompiledManifest> {
  const index = indexEntries(manifest.entries);
  if (!index.ok) return index;
  const value: Compiled = { generation: manifest.generation, index: index.value, usage: usageOf(index.value) };
  return ok(value as unknown as CompiledManifest);
}

export function detect(manifest: CompiledManifest, activity: Activity): Deviation | null {
  const { generation, index } = manifest as unknown as Compiled;
  if (allowingEntry(index, activity) !== null || (activity.kind === 'process' && isHelper(activity))) return null;
  const server = serverBehind(index, activity);
  return {
    kind: activity.kind,
    vm: activity.vm,
    at: activity.at,
    activity,
    generation,
    ...(server === null ? {} : { server }),
    nearest: nearestEntry(index, activity),
  };
}

/** How unusual an activity is for the VM, in bits, whether it is allowed or not (surprise.ts). */
export function surprise(manifest: CompiledManifest, activity: Activity): number {
  const { index, usage } = manifest as unknown as Compiled;
  return bitsOf(usage.get(activity.kind), allowingEntry(index, activity));
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

function allowingEntry(index: EntryIndex, activity: Activity): CompiledEntry | null {
  const same = index.texts.get(behaviourText(behaviourOf(activity)));
  if (same !== undefined) return same;
  const asked = adopted(activity);
  for (const entry of candidates(index, activity)) if (admits(entry.pattern, asked)) return entry;
  return null;
}

/**
 * A process whose parent has ended is adopted by init, and who started it can no longer be told: its parent counts as unknown.
 * Not for programs whose arguments are code, since any process can have itself adopted.
 */
function adopted(activity: Activity): Activity {
  if (activity.kind !== 'process' || activity.ppid !== 1) return activity;
  return knownProgram(activity.image.exe, activity.image.argv) === null ? { ...activity, parent: null } : activity;
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
