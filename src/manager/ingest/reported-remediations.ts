// What a sentinel did by standing order, or reports of an order given: joined to the alarm that caused it, and audited.
import type { Remediation } from '../../model/remediation.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import { adoptHeldStep } from '../broker/adopt-plan.ts';
import type { Desk } from '../desk.ts';
import { raiseGuard } from './guard-events.ts';
import { alarmById, latestOfGroup, saveAlarm } from '../store/alarms.ts';
import { claimRemediation, remediationById, saveRemediation, unclaimedRemediations } from '../store/remediations.ts';
import type { Alarm } from '../../model/alarm.ts';

export async function takeRemediations(desk: Desk, turn: Turn, batch: SentinelBatch): Promise<void> {
  for (const reported of batch.remediations) {
    const isNews = (await remediationById(turn.db, reported.id))?.state !== reported.state;
    const stored = await storeRemediation(turn, reported);
    if (!isNews || stored.origin !== 'standing-order') continue;
    if (stored.state === 'unconfirmed') await raiseUnconfirmed(desk, turn, stored);
    // A dry run waits for nobody.
    if (stored.state === 'planned' && stored.evidence.startsWith('waits for a person'))
      await adoptHeldStep(turn, stored, stored.alarm);
  }
}

async function raiseUnconfirmed(desk: Desk, turn: Turn, { step, evidence }: Remediation): Promise<void> {
  const detail = `${step.action}: ${evidence}`.slice(0, 2000);
  await raiseGuard(desk, turn, {
    vm: step.vm,
    at: turn.at,
    what: 'response-unconfirmed',
    subject: step.action,
    detail,
  });
}

/** Stores a remediation as it is now and shows it on its alarm. Says nothing when this state was known. */
export async function storeRemediation(turn: Turn, reported: Remediation): Promise<Remediation> {
  const alarm = await alarmOf(turn, reported);
  const remediation = { ...reported, alarm: alarm?.id ?? reported.alarm };
  if (!(await saveRemediation(turn.db, remediation))) return remediation;
  if (alarm !== null) await showOnAlarm(turn, alarm, remediation);
  const { step, state, evidence } = remediation;
  await turn.record(
    `remediation.${state}`,
    remediation.id,
    `${step.action} of ${step.vm} (${remediation.origin}, ${remediation.by}): ${evidence === '' ? step.why : evidence}`,
  );
  turn.announce({ kind: 'remediation', remediation });
  return remediation;
}

async function alarmOf(turn: Turn, { alarm, group, step }: Remediation): Promise<Alarm | null> {
  if (alarm !== null) return await alarmById(turn.db, alarm);
  return group === null ? null : await latestOfGroup(turn.db, step.vm, group);
}

async function showOnAlarm(turn: Turn, alarm: Alarm, remediation: Remediation): Promise<void> {
  if (alarm.remediations.includes(remediation.id)) return;
  const shown = { ...alarm, remediations: [...alarm.remediations, remediation.id] };
  await saveAlarm(turn.db, shown);
  turn.announce({ kind: 'alarm', isNew: false, alarm: shown });
}

/** A sentinel may report its answer in an earlier batch than the finding it answered. */
export async function claimRemediations(turn: Turn, alarm: Alarm): Promise<Alarm> {
  const unclaimed = await unclaimedRemediations(turn.db, alarm.vm, alarm.group);
  for (const remediation of unclaimed) await claimRemediation(turn.db, remediation, alarm.id);
  const ids = unclaimed.map((remediation) => remediation.id).filter((id) => !alarm.remediations.includes(id));
  return ids.length === 0 ? alarm : { ...alarm, remediations: [...alarm.remediations, ...ids] };
}
