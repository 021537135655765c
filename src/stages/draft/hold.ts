// What was learned and is not yet believed. That a behaviour was seen during capture does not make it right: whoever was in the
// machine before was learned too. Entries whose kind is a known way to attack, and for which little speaks, wait for a person.
import type { ProcessBehaviour } from '../../model/behaviour.ts';
import type { Profile, ProfileEntry } from '../../model/profile.ts';
import { isInMemoryOnly, isWorldWritable } from '../../pattern/executable-places.ts';
import { knownProgram, runsInlineCode } from '../../pattern/program.ts';
import type { ProgramRole } from '../../pattern/programs.data.ts';
import { telltales } from '../../pattern/telltales.data.ts';

/** Why an entry waits, in a clause that a person reads; sources are those of the factors that assess weighs. */
export interface Held {
  readonly id: string;
  readonly why: string;
}

/** Seen more often, or on a second member, it is work that recurs: repetition is what an intruder avoids. */
const rareCountMax = 2;
/** What happens within it is one occasion, however often it is repeated. */
const occasionMs = 600_000;
/** Capture that lasted so long saw what recurs on more than one occasion. */
const longCaptureMs = 86_400_000;

interface Surroundings {
  /** Programs that others reach. */
  readonly servers: ReadonlySet<string>;
  readonly isLongCapture: boolean;
}

export function heldEntries(profile: Profile): readonly Held[] {
  const entries = Object.entries(profile.entries);
  const servers = new Set(
    entries.flatMap(([, { behaviour }]) =>
      behaviour.kind === 'listen' || behaviour.kind === 'inbound' ? behaviour.exe : [],
    ),
  );
  const surroundings = { servers, isLongCapture: spanOf(entries.map(([, entry]) => entry)) >= longCaptureMs };
  return entries.flatMap(([id, entry]) => {
    const why = reasonToHold(entry, surroundings);
    return why === null ? [] : [{ id, why }];
  });
}

function spanOf(entries: readonly Pick<ProfileEntry, 'firstAt' | 'lastAt'>[]): number {
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { firstAt, lastAt } of entries) {
    first = Math.min(first, Date.parse(firstAt));
    last = Math.max(last, Date.parse(lastAt));
  }
  return last - first;
}

function reasonToHold(entry: ProfileEntry, surroundings: Surroundings): string | null {
  const { behaviour } = entry;
  const place = placeReason(behaviour.exe);
  if (place !== null) return place;
  if (behaviour.kind !== 'process') return null;
  if (placeReason(behaviour.parent) !== null)
    return `of its starter ${behaviour.parent} ${placeReason(behaviour.parent)}`;
  if (!isRare(entry, surroundings)) return null;
  const { exe } = behaviour;
  if (exe.slice(exe.lastIndexOf('/') + 1).startsWith('.')) return 'the name of the program is hidden from listings';
  return codeReason(behaviour, surroundings.servers) ?? telltaleReason(behaviour);
}

function isRare(entry: ProfileEntry, { isLongCapture }: Surroundings): boolean {
  if (entry.members.length > 1) return false;
  return entry.count <= rareCountMax || (isLongCapture && spanOf([entry]) < occasionMs);
}

/** However often: nobody installed it. */
function placeReason(exe: string): string | null {
  if (isInMemoryOnly(exe)) return 'the program exists in memory only';
  if (isWorldWritable(exe)) return 'the program lies where everybody may write';
  return null;
}

/** What a program that is itself reached, or told what to do, is rarely right to have another do. */
const deeds: Partial<Record<ProgramRole, string>> = {
  downloader: 'reach out',
  remote: 'reach out',
  configuration: 'change what starts, is kept or let in',
  discovery: 'look around',
};

function codeReason({ exe, argv, parent }: ProcessBehaviour, servers: ReadonlySet<string>): string | null {
  const isReached = servers.has(parent);
  const role = knownProgram(parent, [])?.role;
  const isDirected = role === 'shell' || role === 'interpreter';
  if (!isReached && !isDirected) return null;
  const starter = isReached
    ? `${parent}, which can be reached from the network,`
    : `${parent}, itself told what to do,`;
  if (runsInlineCode(exe, argv)) return `${starter} gave it code to run, and seldom`;
  const deed = deeds[knownProgram(exe, argv)?.role ?? 'tool'];
  return deed === undefined ? null : `${starter} had it ${deed}, and seldom`;
}

function telltaleReason({ argv }: ProcessBehaviour): string | null {
  const text = argv.map((argument) => argument.replaceAll('<lt>', '<')).join(' ');
  const found = telltales.find((telltale) => telltale.text.test(text));
  return found === undefined ? null : `the command ${found.says} (${found.source}), and was seen seldom`;
}
