// What an entry newly admits: each of its parts that stands for more than one value, with examples on both sides of its border.
// No example is believed; each is asked of the matcher that will be asked in earnest.
import type { Behaviour } from '../../model/behaviour.ts';
import type { EntryExplanation, WidePart } from '../../model/entry-explanation.ts';
import type { ManifestEntry } from '../../model/manifest.ts';
import type { Profile } from '../../model/profile.ts';
import { parsePrefix, printAddress } from '../../pattern/address.ts';
import { matchesArgv, parseArgv, restToken } from '../../pattern/argv-pattern.ts';
import { parseBehaviour, subsumes } from '../../pattern/behaviour-pattern.ts';
import { describeBehaviour } from '../../pattern/describe.ts';
import { matchesPath, parsePath } from '../../pattern/path-pattern.ts';
import { matchesPeer, parsePeer } from '../../pattern/peer-pattern.ts';
import { matchesPort, parsePort } from '../../pattern/port-pattern.ts';
import { argumentRoles } from '../../pattern/program.ts';
import { examplesOfTokens } from './explain-examples.data.ts';

const examplesMax = 4;
const learnedMax = 20;

export function explainEntry(entry: ManifestEntry, profile: Profile): EntryExplanation {
  const { behaviour } = entry;
  const pattern = parseBehaviour(behaviour);
  const learned = Object.values(profile.entries)
    .filter((each) => {
      if (!pattern.ok || each.behaviour.kind !== behaviour.kind) return false;
      const narrow = parseBehaviour(each.behaviour);
      return narrow.ok && subsumes(pattern.value, narrow.value);
    })
    .sort((a, b) => b.count - a.count);
  return {
    entry,
    says: describeBehaviour(behaviour),
    wide: [...wideParts(behaviour)],
    code: codeOf(behaviour),
    learned: learned.slice(0, learnedMax),
    learnedMore: Math.max(0, learned.length - learnedMax),
  };
}

function codeOf(behaviour: Behaviour): string[] {
  if (behaviour.kind !== 'process') return [];
  const roles = argumentRoles(behaviour.exe, behaviour.argv);
  return behaviour.argv.filter((_, at) => roles[at] === 'code');
}

function wideParts(behaviour: Behaviour): readonly WidePart[] {
  const parts = [pathPart('exe', behaviour.exe)];
  if (behaviour.kind === 'process')
    parts.push(
      ...behaviour.argv.map((text, at) => argumentPart(`argv[${at}]`, text)),
      behaviour.user === 'any' ? { field: 'user', pattern: 'any', admits: ['0', '1000'], refuses: [] } : null,
      pathPart('parent', behaviour.parent),
    );
  else {
    if (behaviour.kind !== 'listen') parts.push(peerPart(behaviour.peer));
    parts.push(portPart(behaviour.port));
  }
  return parts.filter((part) => part !== null);
}

function pathPart(field: string, text: string): WidePart | null {
  const pattern = parsePath(text);
  if (!pattern.ok || (text !== '?' && !isWide(text, 'path'))) return null;
  const given = text === '?' ? ['/usr/bin/anything', '/tmp/anything'] : candidates(text, 'path');
  return part(field, text, given, (example) => matchesPath(pattern.value, example));
}

function argumentPart(field: string, text: string): WidePart | null {
  const pattern = parseArgv([text]);
  if (!pattern.ok || !isWide(text, 'argument')) return null;
  if (text === restToken) return { field, pattern: text, admits: ['', 'one', 'one two three'], refuses: [] };
  return part(field, text, candidates(text, 'argument'), (example) => matchesArgv(pattern.value, [example]));
}

function peerPart(text: string): WidePart | null {
  const pattern = parsePeer(text);
  const block = parsePrefix(text);
  if (!pattern.ok || (block === null && !/^[a-z-]+$/.test(text))) return null;
  const width = block === null ? 0n : 1n << BigInt(block.bits - block.length);
  const near =
    block === null
      ? ['127.0.0.1', '169.254.169.254', '10.0.0.1', '192.168.1.1', '8.8.8.8', '2001:4860:4860::8888', 'fe80::1']
      : [0n, 1n, width - 1n, -1n, width].flatMap((offset) => {
          const value = block.value + offset;
          return value < 0n || value >= 1n << BigInt(block.bits) ? [] : [printAddress({ bits: block.bits, value })];
        });
  return part('peer', text, near, (example) => matchesPeer(pattern.value, example));
}

function portPart(text: string): WidePart | null {
  const pattern = parsePort(text);
  if (!pattern.ok || pattern.value.low === pattern.value.high) return null;
  const { low, high } = pattern.value;
  const near = [low, low + 1, high, low - 1, high + 1].filter((port) => port > 0 && port <= 65_535);
  return part('port', text, near.map(String), (example) => matchesPort(pattern.value, Number(example)));
}

function part(
  field: string,
  pattern: string,
  examples: readonly string[],
  admits: (example: string) => boolean,
): WidePart {
  const distinct = [...new Set(examples)];
  return {
    field,
    pattern,
    admits: distinct.filter(admits).slice(0, examplesMax),
    refuses: distinct.filter((example) => !admits(example)).slice(0, examplesMax),
  };
}

/** A star is a hole of paths alone. */
const holesOf = { path: /<[a-z]+>|\*\*|\*/g, argument: /<[a-z]+>/g } as const;

function isWide(text: string, syntax: keyof typeof holesOf): boolean {
  return (text.match(holesOf[syntax]) ?? []).some((found) => found in examplesOfTokens);
}

/** The text with its holes filled: all by what fits, and each once by something that may not. */
function candidates(text: string, syntax: keyof typeof holesOf): readonly string[] {
  const holes = [...text.matchAll(holesOf[syntax])].filter(([found]) => found in examplesOfTokens);
  const fill = (pick: (found: string, at: number) => string): string => {
    let filled = '';
    let from = 0;
    for (const [at, match] of holes.entries()) {
      filled += text.slice(from, match.index) + pick(match[0], at);
      from = match.index + match[0].length;
    }
    return plain(filled + text.slice(from));
  };
  const of = (found: string) => examplesOfTokens[found] ?? { fits: [''], strays: [] };
  const fitting = [0, 1].map((which) => fill((found) => of(found).fits[which] ?? of(found).fits[0] ?? ''));
  const straying = holes.flatMap((match, hit) =>
    of(match[0]).strays.map((stray) => fill((found, at) => (at === hit ? stray : (of(found).fits[0] ?? '')))),
  );
  return [...fitting, ...straying];
}

/** Escapes of the language as the characters they stand for. */
function plain(text: string): string {
  return text.replaceAll('<lt>', '<').replaceAll('<star>', '*');
}
