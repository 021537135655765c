// What a sentinel did by standing order, or reports of an order given: joined to the alarm that caused it, and audited.
import type { Remediation } from '../../model/remediation.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import { alarmById, latestOfGroup, saveAlarm } from '../store/alarms.ts';
import { claimRemediation, saveRemediation, unclaimedRemediations } from '../store/remediations.ts';
import type { Alarm } from '../../model/alarm.ts';

export async function takeRemediations(turn: Turn, batch: SentinelBatch): Promise<void> {
  for (const reported of batch.remediations) await storeRemediation(turn, reported);
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
