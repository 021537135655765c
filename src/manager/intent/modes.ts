// Changes the mode of a scope. Leaving capture freezes what was learned; a picture that is empty, or known to have holes, is
// refused rather than frozen.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Mode, Scope } from '../../model/application.ts';
import type { ModeChange } from '../../model/learning.ts';
import type { Turn } from '../audit/change.ts';
import type { Seals } from '../signing/seals.ts';
import { saveMode } from '../store/applications.ts';
import { readApprovals, readProfile } from '../store/profiles.ts';
import { judgeCapture, lossShareMax, type Verdict } from './completeness.ts';
import { countHeld } from './draft-ground.ts';
import { issueToService } from './issue.ts';
import { theScope } from './scopes.ts';

export interface ModeRequest {
  readonly scope: string;
  readonly mode: Mode;
  readonly force: boolean;
}

export async function setMode(seals: Seals, turn: Turn, request: ModeRequest): Promise<Result<ModeChange>> {
  const found = await theScope(turn, request.scope);
  if (!found.ok) return found;
  const scope = found.value;
  const verdicts = await judgeServices(turn, scope);
  if (scope.mode === 'capture' && request.mode !== 'capture') {
    const refused = refusalOf(scope, verdicts, request.force);
    if (refused !== null) return fail(refused);
  }
  const next = { ...scope, mode: request.mode };
  const services: ModeChange['services'] = [];
  if (scope.mode !== request.mode) await saveMode(turn.db, scope.name, request.mode, turn.at);
  for (const service of scope.services) {
    const verdict = verdicts.get(service.name);
    if (verdict === undefined) continue;
    const issued =
      scope.mode === request.mode ? ok([]) : await issueToService(seals, turn, next, service, `mode ${request.mode}`);
    if (!issued.ok) return issued;
    services.push({ service: service.name, completeness: verdict.completeness, issued: issued.value });
  }
  turn.detail(`${scope.mode} -> ${request.mode}${request.force ? ', forced' : ''}`);
  turn.announce({ kind: 'intent', subject: scope.name });
  return ok({
    scope: scope.name,
    from: scope.mode,
    to: request.mode,
    services,
    notes: notesOn(next, scope.mode, verdicts),
  });
}

async function judgeServices(turn: Turn, scope: Scope): Promise<ReadonlyMap<string, Verdict>> {
  const verdicts = new Map<string, Verdict>();
  for (const service of scope.services) {
    const profile = await readProfile(turn.db, scope.name, service.name);
    const approved = await readApprovals(turn.db, scope.name, service.name, null);
    const held = await countHeld(turn.db, profile);
    verdicts.set(service.name, judgeCapture(profile, approved, held, turn.at));
  }
  return verdicts;
}

function refusalOf(scope: Scope, verdicts: ReadonlyMap<string, Verdict>, force: boolean) {
  const inhabited = scope.services.filter((service) => service.members.length > 0);
  if (inhabited.length === 0)
    return problem(
      'refused',
      `No VM has joined scope ${scope.name} yet, so that nothing was learned.`,
      'Add members and let them run in capture first.',
    );
  for (const { name } of inhabited)
    if (verdicts.get(name)?.nothingLearned === true)
      return problem(
        'refused',
        `Nothing was learned of ${scope.name}/${name}: every process of its members would be a deviation.`,
        'Let its members run in capture first, or take the service out of the scope.',
      );
  if (force) return null;
  for (const { name } of inhabited) {
    const verdict = verdicts.get(name);
    if (verdict?.lossy === true)
      return problem(
        'refused',
        `The capture of ${scope.name}/${name} is lossy: ${verdict.completeness.doubts.join('; ')} (limit ${lossShareMax * 100} %).`,
        'Go on capturing, or freeze it all the same with --force.',
      );
  }
  return null;
}

function notesOn(scope: Scope, from: Mode, verdicts: ReadonlyMap<string, Verdict>): string[] {
  const notes = from === scope.mode ? [`scope ${scope.name} already was in ${scope.mode}`] : [];
  for (const service of scope.services) {
    const where = `${scope.name}/${service.name}`;
    if (service.awaited.length > 0) notes.push(`${where} still waits for ${service.awaited.slice(0, 10).join(', ')}`);
    if (service.members.length === 0) notes.push(`${where} has no member`);
    if (scope.mode === 'protect' && service.rules.length === 0)
      notes.push(`${where} has no rules: protect only alarms`);
    if (from === 'capture' && scope.mode !== 'capture')
      for (const doubt of verdicts.get(service.name)?.completeness.doubts ?? []) notes.push(`${where}: ${doubt}`);
  }
  return notes;
}
