// Attacks on, and failures of, Plumbline itself become alarms of their own kind: no manifest can allow them.
import type { Alarm } from '../../model/alarm.ts';
import type { GuardEvent, GuardKind } from '../../model/guard-event.ts';
import { guardWeight } from '../../stages/assess/guard-weights.ts';
import { groupOfGuard } from '../../stages/respond/match-rules.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import { proposeForTampering } from '../broker/adopt-plan.ts';
import type { Desk } from '../desk.ts';
import { memberOfVm, scopeNamed } from '../store/applications.ts';
import { latestOfGroup, saveAlarm } from '../store/alarms.ts';
import { vmById } from '../store/vms.ts';

/** What sentinels report, and what the manager itself notices. */
interface Guarded extends Omit<GuardEvent, 'what'> {
  readonly what: GuardKind | 'alarm-flood' | 'response-unconfirmed';
}

export async function takeGuardEvents(desk: Desk, turn: Turn, batch: SentinelBatch): Promise<void> {
  for (const event of batch.guard) {
    const alarm = await raiseGuard(desk, turn, event);
    await proposeAnswers(desk, turn, event, alarm);
  }
}

/** As with deviations: rules act in protect only, and those that ask for consent wait on the alarm. */
async function proposeAnswers(desk: Desk, turn: Turn, event: GuardEvent, alarm: Alarm): Promise<void> {
  if (alarm.scope === null) return;
  const scope = await scopeNamed(turn.db, alarm.scope);
  const service = scope?.services.find((candidate) => candidate.name === alarm.service);
  if (scope?.mode !== 'protect' || service === undefined) return;
  await proposeForTampering(desk, turn, event, alarm.severity, service.rules, alarm.id);
}

export async function raiseGuard(desk: Pick<Desk, 'newId'>, turn: Turn, event: Guarded): Promise<Alarm> {
  const group = groupOfGuard(event);
  const known = await latestOfGroup(turn.db, event.vm, group);
  const alarm =
    known?.status === 'open'
      ? { ...known, count: known.count + 1, lastAt: later(known.lastAt, event.at), title: titleOf(event) }
      : await newAlarm(desk, turn, event, group);
  await saveAlarm(turn.db, alarm);
  turn.announce({ kind: 'alarm', isNew: alarm.id !== known?.id, alarm });
  return alarm;
}

async function newAlarm(desk: Pick<Desk, 'newId'>, turn: Turn, event: Guarded, group: string): Promise<Alarm> {
  const member = await memberOfVm(turn.db, event.vm);
  const { severity, risk } = guardWeight(event.what);
  return {
    id: desk.newId(),
    kind: 'guard',
    vm: event.vm,
    vmName: (await vmById(turn.db, event.vm))?.name ?? event.vm,
    scope: member?.scope ?? null,
    service: member?.service ?? null,
    title: titleOf(event),
    severity,
    risk,
    status: 'open',
    firstAt: event.at,
    lastAt: event.at,
    count: 1,
    group,
    finding: null,
    remediations: [],
  };
}

function titleOf(event: Guarded): string {
  const { says } = guardWeight(event.what);
  return (event.detail === '' ? `${says}.` : `${says}: ${event.detail}`).slice(0, 1000);
}

function later(a: string, b: string): string {
  return a > b ? a : b;
}
