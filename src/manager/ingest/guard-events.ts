// Attacks on, and failures of, Plumbline itself become alarms of their own kind: no manifest can allow them.
import type { Alarm } from '../../model/alarm.ts';
import type { Severity } from '../../model/finding.ts';
import type { GuardEvent, SentinelBatch } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { memberOfVm } from '../store/applications.ts';
import { latestOfGroup, saveAlarm } from '../store/alarms.ts';
import { vmById } from '../store/vms.ts';

interface Weight {
  readonly says: string;
  readonly severity: Severity;
  readonly risk: number;
}

/** What sentinels report, and what the manager itself notices. */
interface Guarded extends Omit<GuardEvent, 'what'> {
  readonly what: GuardEvent['what'] | 'alarm-flood';
}

const weights: Readonly<Record<Guarded['what'], Weight>> = {
  'alarm-flood': { says: 'It deviates in more ways than are kept one by one', severity: 'critical', risk: 90 },
  'manifest-tampered': { says: 'Its sealed manifest was tampered with', severity: 'critical', risk: 100 },
  'manifest-rolled-back': { says: 'Somebody tried to put an older manifest in place', severity: 'critical', risk: 95 },
  'identity-doubled': { says: 'A second running VM claims its identity', severity: 'serious', risk: 70 },
  'manifest-missing': { says: 'Its manifest is missing', severity: 'serious', risk: 70 },
  'lost-sight': { says: 'It cannot be seen any more', severity: 'serious', risk: 60 },
  'guest-went-back': { says: 'It was put back to an earlier state', severity: 'minor', risk: 30 },
};

export async function takeGuardEvents(desk: Desk, turn: Turn, batch: SentinelBatch): Promise<void> {
  for (const event of batch.guard) await raiseGuard(desk, turn, event);
}

export async function raiseGuard(desk: Desk, turn: Turn, event: Guarded): Promise<void> {
  const group = `guard:${event.what}`;
  const known = await latestOfGroup(turn.db, event.vm, group);
  const alarm =
    known?.status === 'open'
      ? { ...known, count: known.count + 1, lastAt: later(known.lastAt, event.at), title: titleOf(event) }
      : await newAlarm(desk, turn, event, group);
  await saveAlarm(turn.db, alarm);
  turn.announce({ kind: 'alarm', isNew: alarm.id !== known?.id, alarm });
}

async function newAlarm(desk: Desk, turn: Turn, event: Guarded, group: string): Promise<Alarm> {
  const member = await memberOfVm(turn.db, event.vm);
  const { severity, risk } = weights[event.what];
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
  const { says } = weights[event.what];
  return (event.detail === '' ? `${says}.` : `${says}: ${event.detail}`).slice(0, 1000);
}

function later(a: string, b: string): string {
  return a > b ? a : b;
}
