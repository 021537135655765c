// Four learners that remember exactly what they saw: the yardstick beside which the product is scored.
import type { Activity } from '../model/observation.ts';
import type { Judge, Learner, Verdict } from './learner.ts';

/** Null = the learner does not look at such an activity. */
type KeyOf = (activity: Activity) => string | null;

const changing = /[0-9a-f]{8,}|\d+/g;
/** Keys one learner remembers of one subject; what exceeds them stays strange to it. */
const keysMax = 1_000_000;
/** Ports from here on are taken for made up by the kernel. */
const highPort = 32_768;

const keys = {
  exe: (activity) => (activity.kind === 'process' ? exeOf(activity) : null),
  parentExe: (activity) =>
    activity.kind === 'process' ? JSON.stringify([activity.parent?.exe ?? null, exeOf(activity)]) : null,
  parentExeArgs: (activity) =>
    activity.kind === 'process'
      ? JSON.stringify([
          activity.parent?.exe ?? null,
          exeOf(activity),
          ...activity.image.argv.map((argument) => argument.replaceAll(changing, '#')),
        ])
      : null,
  exeRemote: (activity) => {
    if (activity.kind === 'process') return null;
    const remote = activity.kind === 'outbound' ? activity.remoteAddr : null;
    const port = activity.kind === 'outbound' ? activity.remotePort : activity.localPort;
    return JSON.stringify([exeOf(activity), activity.kind, remote, port < highPort ? port : 'high']);
  },
} as const satisfies Record<string, KeyOf>;

export type NaiveName = keyof typeof keys;
export const naiveNames = Object.keys(keys) as readonly NaiveName[];

function exeOf({ image }: Activity): string {
  return image?.exe ?? '?';
}

export function naiveLearner(name: NaiveName): Learner {
  const seen = new Map<string, Set<string>>();
  return {
    learn(subject, activity) {
      const key = keys[name](activity);
      if (key === null) return;
      const known = seen.get(subject);
      if (known === undefined) seen.set(subject, new Set([key]));
      else if (known.size < keysMax) known.add(key);
    },
    freeze: () => naiveJudge(keys[name], seen),
  };
}

function naiveJudge(keyOf: KeyOf, seen: ReadonlyMap<string, ReadonlySet<string>>): Judge {
  const known: Verdict = { risk: null, surprise: 0 };
  const strange: Verdict = { risk: 1, surprise: 1 };
  const judge: Judge = {
    // It knows nothing of changes and remembers nothing of what it judged.
    begin: () => judge,
    judge(subject, activity) {
      const key = keyOf(activity);
      if (key === null) return undefined;
      return seen.get(subject)?.has(key) === true ? known : strange;
    },
    allow(subject, activity) {
      const key = keyOf(activity);
      const wider = key === null ? [] : [key];
      return naiveJudge(keyOf, new Map(seen).set(subject, new Set([...(seen.get(subject) ?? []), ...wider])));
    },
  };
  return judge;
}
