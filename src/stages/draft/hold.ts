// What was learned and is not yet believed. That a behaviour was seen during capture does not make it right: whoever was in the
// machine before was learned too. Entries whose kind is a known way to attack, and for which little speaks, wait for a person.
import type { ProcessBehaviour } from '../../model/behaviour.ts';
import type { Profile, ProfileEntry } from '../../model/profile.ts';
import { isInMemoryOnly, isWorldWritable } from '../../pattern/executable-places.ts';
import { knownProgram, runsInlineCode } from '../../pattern/program.ts';
import { telltales } from '../../pattern/telltales.data.ts';

/** Why an entry waits, in a clause that a person reads; sources are those of the factors that assess weighs. */
export interface Held {
  readonly id: string;
  readonly why: string;
}

/** Seen more often, or on a second member, it is work that recurs: repetition is what an intruder avoids. */
const rareCountMax = 2;

export function heldEntries(profile: Profile): readonly Held[] {
  const entries = Object.entries(profile.entries);
  const servers = new Set(
    entries.flatMap(([, { behaviour }]) =>
      behaviour.kind === 'listen' || behaviour.kind === 'inbound' ? behaviour.exe : [],
    ),
  );
  return entries.flatMap(([id, entry]) => {
    const why = reasonToHold(entry, servers);
    return why === null ? [] : [{ id, why }];
  });
}

function reasonToHold({ behaviour, count, members }: ProfileEntry, servers: ReadonlySet<string>): string | null {
  const place = placeReason(behaviour.exe);
  if (place !== null) return place;
  if (behaviour.kind !== 'process' || count > rareCountMax || members.length > 1) return null;
  const { exe } = behaviour;
  if (exe.slice(exe.lastIndexOf('/') + 1).startsWith('.')) return 'the name of the program is hidden from listings';
  return codeReason(behaviour, servers) ?? telltaleReason(behaviour);
}

/** However often: nobody installed it. */
function placeReason(exe: string): string | null {
  if (isInMemoryOnly(exe)) return 'the program exists in memory only';
  if (isWorldWritable(exe)) return 'the program lies where everybody may write';
  return null;
}

function codeReason({ exe, argv, parent }: ProcessBehaviour, servers: ReadonlySet<string>): string | null {
  const isReached = servers.has(parent);
  const role = knownProgram(parent, [])?.role;
  const isDirected = role === 'shell' || role === 'interpreter';
  if (!isReached && !isDirected) return null;
  const starter = isReached
    ? `${parent}, which can be reached from the network,`
    : `${parent}, itself told what to do,`;
  if (runsInlineCode(exe, argv)) return `${starter} gave it code to run, and seldom`;
  const ownRole = knownProgram(exe, argv)?.role;
  return ownRole === 'downloader' || ownRole === 'remote' ? `${starter} had it reach out, and seldom` : null;
}

function telltaleReason({ argv }: ProcessBehaviour): string | null {
  const text = argv.map((argument) => argument.replaceAll('<lt>', '<')).join(' ');
  const found = telltales.find((telltale) => telltale.text.test(text));
  return found === undefined ? null : `the command ${found.says} (${found.source}), and was seen seldom`;
}
