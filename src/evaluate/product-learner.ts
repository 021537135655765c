// The product as something that is scored: its own stages, in the order in which manager and sentinel call them.
import type { Result } from '../kit/result.ts';
import type { ChangeWindow } from '../model/change.ts';
import type { Manifest, ManifestEntry } from '../model/manifest.ts';
import type { Activity, Observed } from '../model/observation.ts';
import type { Profile } from '../model/profile.ts';
import { assess } from '../stages/assess/assess.ts';
import { declaredChange } from '../stages/detect/change-window.ts';
import { detectInChange } from '../stages/detect/detect-in-change.ts';
import { type CompiledManifest, compileManifest, surprise } from '../stages/detect/detect.ts';
import { allowEntry, draft } from '../stages/draft/draft.ts';
import { heldEntries } from '../stages/draft/hold.ts';
import { dueJobs, isDue } from '../stages/learn/due-jobs.ts';
import { emptyProfile, learn } from '../stages/learn/learn.ts';
import type { Judge, Learner, Verdict } from './learner.ts';

const scope = 'evaluation';
/** Distinct activities of one machine held before they are learned. */
const batchMax = 4096;

export class ProductLearner implements Learner {
  readonly #profiles = new Map<string, Profile>();
  readonly #batches = new Map<string, Map<string, Observed>>();

  learn(subject: string, activity: Activity): void {
    let batch = this.#batches.get(subject);
    if (batch === undefined) this.#batches.set(subject, (batch = new Map()));
    const key = keyOf(activity);
    const known = batch.get(key);
    const { at } = activity;
    batch.set(
      key,
      known === undefined
        ? { activity, count: 1, firstAt: at, lastAt: at }
        : { ...known, count: known.count + 1, lastAt: at > known.lastAt ? at : known.lastAt },
    );
    if (batch.size >= batchMax) this.#flush(subject);
  }

  /** What was learned until now; what is learned later does not change it. */
  profile(subject: string): Profile {
    this.#flush(subject);
    return this.#profiles.get(subject) ?? emptyProfile(scope, subject);
  }

  freeze(): Judge {
    const subjects = new Set([...this.#profiles.keys(), ...this.#batches.keys()]);
    return productJudge(new Map([...subjects].map((subject) => [subject, this.profile(subject)])));
  }

  #flush(subject: string): void {
    const batch = this.#batches.get(subject);
    if (batch === undefined || batch.size === 0) return;
    const before = this.#profiles.get(subject) ?? emptyProfile(scope, subject);
    const members = Map.groupBy(batch.values(), ({ activity }) => activity.vm);
    this.#profiles.set(
      subject,
      [...members].reduce((profile, [vm, observed]) => learn(profile, vm, observed), before),
    );
    this.#batches.delete(subject);
  }
}

/** Repetitions of one activity in one batch; the process that showed it and the hour do not matter. */
function keyOf(activity: Activity): string {
  const { vm, kind, image } = activity;
  const owner = image === null ? null : [image.exe, image.deleted, image.uid, image.euid, image.argv];
  if (activity.kind === 'process')
    return JSON.stringify([vm, kind, owner, activity.parent?.exe, activity.ancestors, activity.alreadyRunning]);
  const remote = activity.kind === 'listen' ? null : [activity.remoteAddr, activity.remotePort];
  return JSON.stringify([vm, kind, owner, activity.proto, activity.localPort, remote]);
}

const context = { scope, service: scope, mode: 'detect' } as const;

/** One manifest for each subject, compiled when its first activity is judged. */
export function productJudge(
  profiles: ReadonlyMap<string, Profile>,
  approved: ReadonlyMap<string, readonly ManifestEntry[]> = new Map(),
): Judge {
  const compiled = new Map<string, CompiledManifest>();
  const manifestOf = (subject: string): CompiledManifest => {
    const known = compiled.get(subject);
    if (known !== undefined) return known;
    const profile = profiles.get(subject) ?? emptyProfile(scope, subject);
    const made = mustCompile(compileManifest(manifestFor(profile, approved.get(subject) ?? [])));
    compiled.set(subject, made);
    return made;
  };
  const due = new Map<string, ReturnType<typeof dueJobs>>();
  const jobsDue = (subject: string, activity: Activity): boolean => {
    const jobs = due.get(subject) ?? dueJobs(profiles.get(subject) ?? emptyProfile(scope, subject));
    due.set(subject, jobs);
    return isDue(jobs, activity);
  };
  return judgeOf({ manifestOf, jobsDue }, new Map(), (subject, activity) => {
    const entry = allowEntry(activity, { kind: 'approved', by: scope, at: activity.at });
    return productJudge(profiles, new Map(approved).set(subject, [...(approved.get(subject) ?? []), entry]));
  });
}

/** `windows` are the changes under way, by subject. */
function judgeOf(
  learned: {
    readonly manifestOf: (subject: string) => CompiledManifest;
    readonly jobsDue: (subject: string, activity: Activity) => boolean;
  },
  windows: Map<string, readonly ChangeWindow[]>,
  allow: Judge['allow'],
): Judge {
  return {
    begin(declared) {
      const told = [...declared].map(([subject, change]) => [subject, [declaredChange(change)]] as const);
      return judgeOf(learned, new Map(told), allow);
    },
    judge(subject, activity): Verdict {
      const manifest = learned.manifestOf(subject);
      const { deviation, ...change } = detectInChange(manifest, windows.get(subject) ?? [], activity);
      windows.set(subject, change.windows);
      const bits = surprise(manifest, activity);
      if (deviation === null) return { risk: null, surprise: bits };
      const { risk } = assess(deviation, context);
      return { risk, surprise: bits, isDue: learned.jobsDue(subject, activity) };
    },
    allow,
  };
}

function manifestFor(profile: Profile, approved: readonly ManifestEntry[]): Manifest {
  const held = new Set(heldEntries(profile).map(({ id }) => id));
  const issued = { mode: 'detect', orders: [], generation: 1, issuedAt: '1970-01-01T00:00:00.000Z' } as const;
  return draft({
    profile,
    scope,
    service: scope,
    vm: profile.service,
    vmName: profile.service,
    approved,
    held,
    ...issued,
  });
}

/** Learning writes the language that compiling reads; anything else is a fault of ours. */
function mustCompile(result: Result<CompiledManifest>): CompiledManifest {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}
