// Where an activity differs from an allowed behaviour, field by field, in words the manifest's reader knows.
import type { Difference } from '../../model/deviation.ts';
import type {
  Activity,
  ConnectionObservation,
  ListenObservation,
  ProcessObservation,
} from '../../model/observation.ts';
import { type ArgvPattern, printArgument } from '../../pattern/argv-pattern.ts';
import { effectiveUser } from '../../pattern/behaviour-of.ts';
import type {
  BehaviourPattern,
  ConnectionPattern,
  ListenPattern,
  ProcessPattern,
} from '../../pattern/behaviour-pattern.ts';
import { matchesPath, printPath } from '../../pattern/path-pattern.ts';
import { matchesPeer, printPeer } from '../../pattern/peer-pattern.ts';
import { matchesPort, printPort } from '../../pattern/port-pattern.ts';
import { type Template, matchesTemplate } from '../../pattern/template.ts';
import { matchesUser, printUser } from '../../pattern/user-pattern.ts';
import { servicePort } from './socket-index.ts';

const textMax = 400;
const argumentsShownMax = 6;
const nothing = '(none)';

/** How much a difference in each field sets two behaviours apart; only the order they give matters. */
const weights = { exe: 8, parent: 3, user: 2, port: 4, proto: 4, peer: 1, argument: 2 } as const;

/** Empty when the behaviour admits the activity, or is of another kind. */
export function differencesBetween(pattern: BehaviourPattern, activity: Activity): Difference[] {
  if (pattern.kind === 'process') return activity.kind === 'process' ? processDifferences(pattern, activity) : [];
  return activity.kind === 'process' ? [] : socketDifferences(pattern, activity);
}

function processDifferences(pattern: ProcessPattern, { image, parent }: ProcessObservation): Difference[] {
  const user = effectiveUser(image);
  const isSameProgram = matchesPath(pattern.exe, image.exe);
  return [
    ...unless(isSameProgram, 'exe', printPath(pattern.exe), image.exe),
    // Two programs' arguments are not comparable.
    ...(isSameProgram ? argvDifferences(pattern.argv, image.argv) : []),
    ...unless(matchesUser(pattern.user, user), 'user', printUser(pattern.user), String(user)),
    ...unless(matchesPath(pattern.parent, parent?.exe ?? null), 'parent', printPath(pattern.parent), parent?.exe),
  ];
}

function socketDifferences(
  pattern: ConnectionPattern | ListenPattern,
  activity: ConnectionObservation | ListenObservation,
): Difference[] {
  const port = servicePort(activity);
  const exe = activity.image?.exe ?? null;
  return [
    ...unless(matchesPath(pattern.exe, exe), 'exe', printPath(pattern.exe), exe),
    ...unless(pattern.proto === activity.proto, 'proto', pattern.proto, activity.proto),
    ...(pattern.kind !== 'listen' && activity.kind !== 'listen'
      ? unless(matchesPeer(pattern.peer, activity.remoteAddr), 'peer', printPeer(pattern.peer), activity.remoteAddr)
      : []),
    ...unless(matchesPort(pattern.port, port), 'port', printPort(pattern.port), String(port)),
  ];
}

function unless(matches: boolean, field: string, allowed: string, seen: string | null | undefined): Difference[] {
  return matches ? [] : [{ field, allowed: shorten(allowed), seen: shorten(seen ?? nothing) }];
}

function shorten(text: string): string {
  return text.length <= textMax ? text : `${text.slice(0, textMax).toWellFormed()}...`;
}

interface ArgumentPair {
  readonly at: number;
  readonly template: Template | undefined;
  readonly seen: string | undefined;
}

/** Arguments that do not agree, after what agrees at both ends has been set aside. */
function* disagreeing({ templates, rest }: ArgvPattern, argv: readonly string[]): Generator<ArgumentPair> {
  const agrees = (template: Template | undefined, seen: string | undefined): boolean =>
    template !== undefined && seen !== undefined && matchesTemplate(template, seen);
  let start = 0;
  while (agrees(templates[start], argv[start])) start += 1;
  let tail = 0;
  const tailMax = rest ? 0 : Math.min(templates.length, argv.length) - start;
  while (tail < tailMax && agrees(templates.at(-1 - tail), argv.at(-1 - tail))) tail += 1;
  const templatesEnd = templates.length - tail;
  const argvEnd = rest ? Math.min(argv.length, templatesEnd) : argv.length - tail;
  for (let at = start; at < Math.max(templatesEnd, argvEnd); at += 1) {
    const template = at < templatesEnd ? templates[at] : undefined;
    const seen = at < argvEnd ? argv[at] : undefined;
    if (!agrees(template, seen)) yield { at, template, seen };
  }
}

function argvDifferences(pattern: ArgvPattern, argv: readonly string[]): Difference[] {
  const found: Difference[] = [];
  for (const { at, template, seen } of disagreeing(pattern, argv)) {
    if (found.length === argumentsShownMax) {
      found.push({ field: 'argv', allowed: 'the same further on', seen: 'more arguments that differ' });
      break;
    }
    const allowed = template === undefined ? nothing : printArgument(template);
    found.push({ field: `argv[${at}]`, allowed: shorten(allowed), seen: shorten(seen ?? nothing) });
  }
  return found;
}

/** How far an activity is from an allowed behaviour; smaller is nearer. */
export function costOf(pattern: BehaviourPattern, activity: Activity): number {
  if (pattern.kind === 'process' && activity.kind === 'process') {
    const { image, parent } = activity;
    return (
      (matchesPath(pattern.exe, image.exe) ? 0 : weights.exe) +
      (matchesUser(pattern.user, effectiveUser(image)) ? 0 : weights.user) +
      (matchesPath(pattern.parent, parent?.exe ?? null) ? 0 : weights.parent) +
      argvCost(pattern.argv, image.argv)
    );
  }
  const fields = differencesBetween(pattern, activity).map((difference) => difference.field);
  return fields.reduce((cost, field) => cost + (field in weights ? weights[field as keyof typeof weights] : 0), 0);
}

/** Arguments beyond this many no longer make two behaviours more different. */
const argumentsWeighedMax = 8;

function argvCost(pattern: ArgvPattern, argv: readonly string[]): number {
  let cost = 0;
  let weighed = 0;
  for (const { template, seen } of disagreeing(pattern, argv)) {
    if (weighed >= argumentsWeighedMax) break;
    weighed += 1;
    cost += weights.argument - commonStart(template?.literal ?? template?.prefix ?? '', seen ?? '');
  }
  return cost;
}

/** From 0 to 1: how much of the two texts is the same from the start. */
function commonStart(a: string, b: string): number {
  const longest = Math.min(Math.max(a.length, b.length), textMax);
  if (longest === 0) return 0;
  let same = 0;
  while (same < longest && a[same] !== undefined && a[same] === b[same]) same += 1;
  return same / longest;
}
