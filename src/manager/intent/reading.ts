// What the API shows of intent: the inventory with its membership, how learning goes, and manifests with their history.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Change } from '../../model/change.ts';
import type { Delivery } from '../../model/delivery.ts';
import type { EntryExplanation } from '../../model/entry-explanation.ts';
import type { Learning } from '../../model/learning.ts';
import type { ManifestReading } from '../../model/manifest-reading.ts';
import { Manifest, type ManifestDiff } from '../../model/manifest.ts';
import type { VmView } from '../../model/vm-view.ts';
import type { Vm } from '../../model/vm.ts';
import { checkManifest } from '../../stages/draft/check.ts';
import { diffManifests } from '../../stages/draft/draft.ts';
import { explainEntry } from '../../stages/draft/explain.ts';
import { dueJobs } from '../../stages/learn/due-jobs.ts';
import { forecastDay, knownKinds } from '../../stages/learn/forecast.ts';
import { payloadTypes } from '../../wire/messages.ts';
import { Value } from 'typebox/value';
import type { Seals } from '../signing/seals.ts';
import { listMembers, listScopes, scopeNamed } from '../store/applications.ts';
import { issueOf, listDeliveries, listGenerations, type Issue } from '../store/issues.ts';
import { readDiscoveries } from '../store/discoveries.ts';
import { readApprovals, readCoverage, readCurve, readProfile } from '../store/profiles.ts';
import type { Db } from '../store/tables.ts';
import { listVms } from '../store/vms.ts';
import { viewChanges } from './changes.ts';
import { countEntries, judgeCapture } from './completeness.ts';
import { countHeld } from './draft-ground.ts';

/** One day of minutes. */
const curveMinutesShown = 1440;

export async function viewVms(
  db: Db,
  filter: { readonly scope?: string; readonly unassigned?: boolean; readonly id?: string },
  nowIso: string,
): Promise<VmView[]> {
  const open = await viewChanges(db, { open: true }, nowIso);
  const members = new Map((await listMembers(db)).map((member) => [member.vm, member]));
  const modes = new Map((await listScopes(db)).map((scope) => [scope.name, scope.mode]));
  const deliveries = new Map((await listDeliveries(db)).map((delivery) => [delivery.vm, delivery]));
  const openAlarmRows = await db
    .selectFrom('alarms')
    .select(['vm', (eb) => eb.fn.countAll().as('count')])
    .where('status', '=', 'open')
    .groupBy('vm')
    .execute();
  const openAlarms = new Map(openAlarmRows.map((row) => [row.vm, Number(row.count)]));
  return (await listVms(db))
    .map((vm) => ({
      ...view(vm, members.get(vm.id), modes, deliveries.get(vm.id), openAlarms.get(vm.id) ?? 0),
      changes: open.flatMap((change) =>
        change.members.some((member) => member.vm === vm.id) ? [briefly(change)] : [],
      ),
    }))
    .filter(
      (vm) =>
        (filter.id === undefined || vm.id === filter.id) &&
        (filter.scope === undefined || vm.scope === filter.scope) &&
        (filter.unassigned === undefined || (vm.scope === null) === filter.unassigned),
    );
}

function view(
  vm: Vm,
  member: { readonly scope: string; readonly service: string } | undefined,
  modes: ReadonlyMap<string, VmView['mode']>,
  delivery: Delivery | undefined,
  openAlarms: number,
): Omit<VmView, 'changes'> {
  return {
    ...vm,
    scope: member?.scope ?? null,
    service: member?.service ?? null,
    mode: member === undefined ? null : (modes.get(member.scope) ?? null),
    delivery: delivery ?? null,
    openAlarms,
  };
}

function briefly({ id, cause, until, admitted }: Change): VmView['changes'][number] {
  return { id, cause, until, admitted: admitted.times };
}

export async function readLearning(db: Db, name: string, nowIso: string): Promise<Result<Learning>> {
  const scope = await scopeNamed(db, name);
  if (scope === null) return fail(problem('not-found', `There is no scope ${name}.`, 'See `plumbline scopes`.'));
  const services: Learning['services'] = [];
  for (const service of scope.services) {
    const profile = await readProfile(db, name, service.name);
    const approved = await readApprovals(db, name, service.name, null);
    services.push({
      service: service.name,
      entries: countEntries(profile),
      completeness: judgeCapture(profile, approved, await countHeld(db, profile), nowIso).completeness,
      kinds: [...knownKinds(profile)],
      forecast: forecastDay(profile, await readDiscoveries(db, name, service.name)),
      due: dueJobs(profile).map((job) => ({ ...job })),
      coverage: profile.coverage,
      curve: await readCurve(db, name, service.name, curveMinutesShown),
    });
  }
  return ok({ scope: name, mode: scope.mode, services });
}

export async function readManifest(
  db: Db,
  seals: Seals,
  vm: string,
  generation: number | undefined,
): Promise<Result<ManifestReading>> {
  const issue = await theIssue(db, vm, generation);
  if (!issue.ok) return issue;
  const opened = openIssue(seals, issue.value);
  if (!opened.ok) return opened;
  const { manifest, keyid } = opened.value;
  const coverage = await readCoverage(db, manifest.scope, manifest.service);
  return ok({
    manifest,
    sealed: issue.value.envelope,
    verified: true,
    keyid,
    notes: checkManifest(manifest, coverage).map(({ severity, note }) => ({ severity, note })),
  });
}

/** `entry` = the id of an entry of the newest manifest, or its beginning. */
export async function explainEntryOf(
  db: Db,
  seals: Seals,
  vm: string,
  entry: string,
): Promise<Result<EntryExplanation>> {
  const manifest = await manifestOf(db, seals, vm, undefined);
  if (!manifest.ok) return manifest;
  const { scope, service, vmName, entries } = manifest.value;
  const [found, ...more] = entries.filter(({ id }) => id.startsWith(entry));
  if (found === undefined)
    return fail(
      problem(
        'not-found',
        `The manifest of ${vmName} has no entry ${entry}.`,
        `See \`plumbline manifest show ${vmName}\`.`,
      ),
    );
  if (more.length > 0)
    return fail(problem('usage', `${more.length + 1} entries begin with ${entry}.`, 'Write more of the id.'));
  return ok(explainEntry(found, await readProfile(db, scope, service)));
}

export async function diffGenerations(
  db: Db,
  seals: Seals,
  vm: string,
  from: number | undefined,
  to: number | undefined,
): Promise<Result<ManifestDiff>> {
  const manifests = (await listGenerations(db, vm)).filter((issue) => issue.kind === 'manifest');
  const newer = to ?? manifests[0]?.generation;
  const older = from ?? manifests.find((issue) => newer !== undefined && issue.generation < newer)?.generation;
  const after = await manifestOf(db, seals, vm, newer);
  if (!after.ok) return after;
  // The first manifest of all is compared with nothing.
  if (older === undefined) return ok({ added: after.value.entries, removed: [], unchanged: 0 });
  const before = await manifestOf(db, seals, vm, older);
  return before.ok ? ok(diffManifests(before.value, after.value)) : before;
}

async function manifestOf(db: Db, seals: Seals, vm: string, generation: number | undefined): Promise<Result<Manifest>> {
  const issue = await theIssue(db, vm, generation);
  if (!issue.ok) return issue;
  const opened = openIssue(seals, issue.value);
  return opened.ok ? ok(opened.value.manifest) : opened;
}

/** The newest manifest unless a generation is named. */
async function theIssue(db: Db, vm: string, generation: number | undefined): Promise<Result<Issue>> {
  const issues = await listGenerations(db, vm);
  const wanted = generation ?? issues.find((issue) => issue.kind === 'manifest')?.generation;
  const issue = wanted === undefined ? null : await issueOf(db, vm, wanted);
  if (issue !== null && issue.kind === 'manifest') return ok(issue);
  if (wanted === undefined)
    return fail(problem('not-found', `No manifest was ever issued for ${vm}.`, 'Make it a member of a service.'));
  return fail(
    problem(
      'not-found',
      issue === null
        ? `There is no generation ${wanted} of the manifest of ${vm}.`
        : `Generation ${wanted} of ${vm} is a withdrawal, not a manifest.`,
      'See its generations for those that are kept.',
    ),
  );
}

function openIssue(seals: Seals, issue: Issue): Result<{ manifest: Manifest; keyid: string }> {
  const opened = seals.open(issue.envelope, payloadTypes.manifest);
  if (!opened.ok) return opened;
  const { value, keyid } = opened.value;
  if (!Value.Check(Manifest, value))
    return fail(problem('unreadable', `Generation ${issue.generation} of ${issue.vm} is not a manifest.`));
  return ok({ manifest: value, keyid });
}
