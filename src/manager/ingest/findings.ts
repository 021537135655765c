// Findings become alarms, one for each group on a VM. A closed alarm that is seen again is a new one; what was allowed while
// its findings were on their way is no alarm.
import { severityOrder, type Finding } from '../../model/finding.ts';
import type { Alarm } from '../../model/alarm.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { admits, parseBehaviour } from '../../pattern/behaviour-pattern.ts';
import { title } from '../../stages/assess/assess.ts';
import { raise } from '../../stages/assess/group.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import { proposeForFinding } from '../broker/adopt-plan.ts';
import type { Desk } from '../desk.ts';
import { memberOfVm, scopeNamed, type MemberRow } from '../store/applications.ts';
import { countOpen, keepActivity, latestOfGroup, saveAlarm, settledOf } from '../store/alarms.ts';
import { lastGeneration } from '../store/issues.ts';
import { readApprovals } from '../store/profiles.ts';
import { vmById } from '../store/vms.ts';
import { raiseGuard } from './guard-events.ts';
import { claimRemediations } from './reported-remediations.ts';

/** A guest that invents a new name each second must not fill the store: beyond this, one alarm stands for the rest. */
const openAlarmsMax = 1000;

export async function takeFindings(desk: Desk, turn: Turn, batch: SentinelBatch): Promise<void> {
  for (const finding of batch.findings) await takeFinding(desk, turn, finding);
  for (const { vm, group, count } of batch.repeated ?? []) await countRepetitions(turn, vm, group, count);
}

/** Told once, happened more often: the alarm counts every time. A finding that became no alarm has nothing to count. */
async function countRepetitions(turn: Turn, vm: string, group: string, count: number): Promise<void> {
  const alarm = await latestOfGroup(turn.db, vm, group);
  if (alarm !== null) await saveAlarm(turn.db, { ...alarm, count: alarm.count + count });
}

async function takeFinding(desk: Desk, turn: Turn, finding: Finding): Promise<void> {
  const { vm, activity } = finding.deviation;
  const member = await memberOfVm(turn.db, vm);
  const known = await latestOfGroup(turn.db, vm, finding.group);
  const allowed = member !== null && (await isApprovedMeanwhile(turn, member, finding));
  if (allowed && known?.status !== 'allowed') return;
  const existing = known !== null && (await continues(turn, known, finding, allowed)) ? known : null;
  if (existing === null && (await countOpen(turn.db, vm)) >= openAlarmsMax) {
    desk.losses.activitiesNotKept += 1;
    await raiseGuard(desk, turn, { vm, at: finding.deviation.at, what: 'alarm-flood', detail: title(finding) });
    return;
  }
  const raised = raise(existing, finding, {
    id: desk.newId(),
    vmName: (await vmById(turn.db, vm))?.name ?? vm,
    scope: member?.scope ?? null,
    service: member?.service ?? null,
  });
  // A settled alarm stays settled: only its count goes on.
  const alarm = existing === null ? raised : { ...raised, status: existing.status };
  await saveAlarm(turn.db, alarm);
  const claimed = await claimRemediations(turn, alarm);
  if (claimed !== alarm) await saveAlarm(turn.db, claimed);
  if (alarm.status === 'open') {
    const key = behaviourId(behaviourOf(activity));
    if (!(await keepActivity(turn.db, alarm.id, key, activity))) desk.losses.activitiesNotKept += 1;
    if (member !== null) await proposeAnswers(desk, turn, member, finding, alarm.id);
  }
  if (isNews(existing, claimed)) turn.announce({ kind: 'alarm', isNew: existing === null, alarm: claimed });
}

/** An open alarm goes on. A settled one takes what was already on its way when it was settled; anything later is new. */
async function continues(turn: Turn, known: Alarm, finding: Finding, allowed: boolean): Promise<boolean> {
  if (known.status === 'open') return true;
  if (known.status === 'allowed') return allowed;
  const { settled } = await settledOf(turn.db, known.id);
  return settled !== null && Date.parse(finding.deviation.at) <= Date.parse(settled.at);
}

/** The sentinel judged by an older manifest than the one that is on its way to it, and the newer one allows this. */
async function isApprovedMeanwhile(turn: Turn, member: MemberRow, { deviation }: Finding): Promise<boolean> {
  if (deviation.generation >= (await lastGeneration(turn.db, member.vm))) return false;
  const approved = await readApprovals(turn.db, member.scope, member.service, member.vm);
  return approved.some(({ behaviour }) => {
    const pattern = parseBehaviour(behaviour);
    return pattern.ok && admits(pattern.value, deviation.activity);
  });
}

/** Rules act in protect only; those that ask for a person's consent wait on the alarm until somebody responds. */
async function proposeAnswers(
  desk: Desk,
  turn: Turn,
  member: MemberRow,
  finding: Finding,
  alarm: string,
): Promise<void> {
  const scope = await scopeNamed(turn.db, member.scope);
  const service = scope?.services.find((candidate) => candidate.name === member.service);
  if (scope?.mode !== 'protect' || service === undefined) return;
  await proposeForFinding(desk, turn, finding, service.rules, alarm);
}

/** Listeners hear of a repetition when it is worse than before, or at each power of two, so that a flood stays a trickle. */
function isNews(before: Alarm | null, after: Alarm): boolean {
  if (before === null) return true;
  const isWorse = severityOrder.indexOf(after.severity) > severityOrder.indexOf(before.severity);
  return (
    isWorse || Number.isInteger(Math.log2(after.count)) || before.remediations.length !== after.remediations.length
  );
}
