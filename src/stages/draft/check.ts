// Objections of a careful reader to a manifest, each with its weight. It changes nothing: whoever issues decides.
import type { Severity } from '../../model/finding.ts';
import type { Manifest, ManifestEntry } from '../../model/manifest.ts';
import type { Coverage } from '../../model/profile.ts';
import type { ArgvPattern } from '../../pattern/argv-pattern.ts';
import { parseBehaviour } from '../../pattern/behaviour-pattern.ts';
import type { BehaviourPattern, ConnectionPattern, ProcessPattern } from '../../pattern/behaviour-pattern.ts';
import { describeBehaviour } from '../../pattern/describe.ts';
import { knownProgram } from '../../pattern/program.ts';
import type { Program } from '../../pattern/programs.data.ts';
import { isInMemoryOnly, isWorldWritable } from '../../pattern/executable-places.ts';
import { checkCoverage } from './check-coverage.ts';
import { withoutRepetitions } from './check-limit.ts';

export interface ManifestNote {
  readonly severity: Severity;
  readonly note: string;
}

/** `coverage` says how well the members were watched; left out, that side is not judged. */
export function checkManifest(manifest: Manifest, coverage?: readonly Coverage[]): readonly ManifestNote[] {
  const notes = [
    ...checkWhole(manifest),
    ...manifest.entries.flatMap(checkEntry),
    ...(coverage === undefined ? [] : checkCoverage(coverage)),
  ];
  return withoutRepetitions(notes);
}

function checkWhole({ entries, orders, mode }: Manifest): readonly ManifestNote[] {
  const notes: ManifestNote[] = [];
  const kinds = new Set(entries.map((entry) => entry.behaviour.kind));
  if (entries.length === 0)
    notes.push(say('critical', 'The manifest is empty: everything the VM does is a deviation.'));
  else if (!kinds.has('process'))
    notes.push(say('serious', 'No process is allowed: either none was seen to start, or the capture was too short.'));
  if (mode === 'protect' && orders.length === 0)
    notes.push(say('minor', 'The mode is protect but no order is automatic: deviations only raise alarms.'));
  for (const { action, on, minSeverity } of orders) {
    if (action === 'power-off' && minSeverity !== 'critical')
      notes.push(say('serious', `A ${minSeverity} deviation (${on}) powers the VM off, which cannot be undone.`));
    if ((action === 'suspend' || action === 'cut-link') && (minSeverity === 'info' || minSeverity === 'minor')) {
      const does = action === 'suspend' ? 'suspends the VM' : 'cuts the VM off, for management too';
      notes.push(say('minor', `Already a ${minSeverity} deviation (${on}) ${does}.`));
    }
  }
  return notes;
}

function checkEntry(entry: ManifestEntry): readonly ManifestNote[] {
  const parsed = parseBehaviour(entry.behaviour);
  if (!parsed.ok) return [say('critical', `Entry ${entry.id} cannot be read: ${parsed.error.message}`)];
  const objections = [...checkExecutable(parsed.value), ...checkDetail(parsed.value)];
  return objections.map(({ severity, note }) => say(severity, `${note}: ${describeBehaviour(entry.behaviour)}`));
}

function checkExecutable(pattern: BehaviourPattern): readonly ManifestNote[] {
  if (pattern.exe === '?') return [say('serious', 'Allows any executable')];
  const text = pattern.exe.prefix;
  if (isWorldWritable(text)) return [say('serious', 'Allows an executable from a place everybody may write to')];
  if (isInMemoryOnly(text)) return [say('serious', 'Allows an executable that never was a file')];
  return pattern.exe.pieces.some(({ source, expression }) => expression !== null && source.startsWith('**'))
    ? [say('minor', 'Allows a whole directory tree')]
    : [];
}

function checkDetail(pattern: BehaviourPattern): readonly ManifestNote[] {
  switch (pattern.kind) {
    case 'process':
      return checkProcess(pattern);
    case 'outbound':
      return checkPeer(pattern, 'connections to');
    case 'inbound':
      return [];
    case 'listen':
      return pattern.port.high - pattern.port.low > 60_000 ? [say('serious', 'Allows listening on any port')] : [];
  }
}

function checkProcess(pattern: ProcessPattern): readonly ManifestNote[] {
  const notes: ManifestNote[] = [];
  const program = programIn(pattern);
  if (program !== null && isOpen(pattern.argv))
    notes.push(say('critical', `Allows the ${program.role} to be given any argument`));
  else if (isOpen(pattern.argv)) notes.push(say('minor', 'Allows any argument'));
  if (program?.role === 'shell' && pattern.argv.templates.length === 1 && !pattern.argv.rest)
    notes.push(say('minor', 'Allows a shell that takes its commands from its input'));
  if (pattern.parent === '?') notes.push(say('minor', 'Allows any parent'));
  if (pattern.user === 'any') notes.push(say('minor', 'Allows any user'));
  return notes;
}

function programIn({ exe, argv }: ProcessPattern): Program | null {
  if (exe === '?') return null;
  return knownProgram(
    exe.literal ?? exe.prefix,
    argv.templates.map((template) => template.literal ?? ''),
  );
}

function isOpen({ templates, rest }: ArgvPattern): boolean {
  return (
    rest ||
    templates.some(
      ({ pieces }) => pieces.length === 1 && pieces[0]?.expression !== null && pieces[0]?.source === '<any>',
    )
  );
}

function checkPeer({ peer }: ConnectionPattern, what: string): readonly ManifestNote[] {
  const isEverywhere = peer === 'any' || peer === 'internet' || (typeof peer === 'object' && peer.length === 0);
  return isEverywhere ? [say('minor', `Allows ${what} every address`)] : [];
}

function say(severity: Severity, note: string): ManifestNote {
  return { severity, note };
}
