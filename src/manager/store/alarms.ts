// Alarms with samples of what was seen and the answers that wait for a person.
import type { Alarm, AlarmKind, AlarmStatus } from '../../model/alarm.ts';
import { severityOrder, type Severity } from '../../model/finding.ts';
import type { Activity } from '../../model/observation.ts';
import { fromDoc, asDoc } from './doc.ts';
import { pageFrom, isBehind, type Page } from './paging.ts';
import type { Db } from './tables.ts';

/** Distinct activities kept of one alarm: enough to allow all of them in any but a runaway case, which is counted. */
export const activitiesKept = 200;

export async function saveAlarm(db: Db, alarm: Alarm): Promise<void> {
  const row = {
    kind: alarm.kind,
    vm: alarm.vm,
    scope: alarm.scope,
    service: alarm.service,
    groupKey: alarm.group,
    status: alarm.status,
    severityRank: severityOrder.indexOf(alarm.severity),
    lastAt: alarm.lastAt,
    doc: asDoc(alarm),
  };
  await db
    .insertInto('alarms')
    .values({ id: alarm.id, ...row, settledBy: null, settledAt: null, activitiesDropped: 0 })
    .onConflict((on) => on.column('id').doUpdateSet(row))
    .execute();
}

export async function settleAlarm(
  db: Db,
  alarm: Alarm,
  status: Exclude<AlarmStatus, 'open'>,
  by: string,
  at: string,
): Promise<Alarm> {
  const settled = { ...alarm, status };
  await saveAlarm(db, settled);
  await db.updateTable('alarms').set({ settledBy: by, settledAt: at }).where('id', '=', alarm.id).execute();
  return settled;
}

export async function alarmById(db: Db, id: string): Promise<Alarm | null> {
  const row = await db.selectFrom('alarms').select('doc').where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : fromDoc(row.doc);
}

export async function settledOf(
  db: Db,
  id: string,
): Promise<{ settled: { by: string; at: string } | null; activitiesDropped: number }> {
  const row = await db
    .selectFrom('alarms')
    .select(['settledBy', 'settledAt', 'activitiesDropped'])
    .where('id', '=', id)
    .executeTakeFirst();
  const { settledBy: by = null, settledAt: at = null, activitiesDropped = 0 } = row ?? {};
  return { settled: by === null || at === null ? null : { by, at }, activitiesDropped };
}

/** The newest alarm of a VM and group, whatever its status. */
export async function latestOfGroup(db: Db, vm: string, group: string): Promise<Alarm | null> {
  const row = await db
    .selectFrom('alarms')
    .select('doc')
    .where('vm', '=', vm)
    .where('groupKey', '=', group)
    .orderBy('lastAt', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row === undefined ? null : fromDoc(row.doc);
}

export async function countOpen(db: Db, vm: string): Promise<number> {
  const { open } = await db
    .selectFrom('alarms')
    .select((eb) => eb.fn.countAll().as('open'))
    .where('vm', '=', vm)
    .where('status', '=', 'open')
    .executeTakeFirstOrThrow();
  return Number(open);
}

export async function openAlarmsOfService(db: Db, scope: string, service: string): Promise<Alarm[]> {
  const rows = await db
    .selectFrom('alarms')
    .select('doc')
    .where('scope', '=', scope)
    .where('service', '=', service)
    .where('status', '=', 'open')
    .where('kind', '=', 'deviation')
    .execute();
  return rows.map((row) => fromDoc(row.doc));
}

/** Keeps a distinct activity of an alarm. False = the alarm has its fill; it is then counted. */
export async function keepActivity(db: Db, alarm: string, key: string, activity: Activity): Promise<boolean> {
  const same = await db
    .selectFrom('alarmActivities')
    .select('key')
    .where('alarm', '=', alarm)
    .where('key', '=', key)
    .executeTakeFirst();
  if (same !== undefined) return true;
  const { kept } = await db
    .selectFrom('alarmActivities')
    .select((eb) => eb.fn.countAll().as('kept'))
    .where('alarm', '=', alarm)
    .executeTakeFirstOrThrow();
  if (Number(kept) >= activitiesKept) {
    await db
      .updateTable('alarms')
      .set((eb) => ({ activitiesDropped: eb('activitiesDropped', '+', 1) }))
      .where('id', '=', alarm)
      .execute();
    return false;
  }
  await db
    .insertInto('alarmActivities')
    .values({ alarm, key, seenAt: activity.at, doc: asDoc(activity) })
    .execute();
  return true;
}

export async function activitiesOf(db: Db, alarm: string): Promise<Activity[]> {
  const rows = await db
    .selectFrom('alarmActivities')
    .select('doc')
    .where('alarm', '=', alarm)
    .orderBy('seenAt')
    .orderBy('key')
    .execute();
  return rows.map((row) => fromDoc(row.doc));
}

export interface AlarmFilter {
  readonly status?: AlarmStatus;
  readonly kind?: AlarmKind;
  readonly minSeverity?: Severity;
  readonly scope?: string;
  readonly service?: string;
  readonly vm?: string;
  readonly limit: number;
  readonly after?: string;
}

/** Latest first. */
export async function listAlarms(db: Db, filter: AlarmFilter): Promise<Page<Alarm>> {
  let query = db.selectFrom('alarms');
  for (const column of ['status', 'kind', 'scope', 'service', 'vm'] as const) {
    const wanted = filter[column];
    if (wanted !== undefined) query = query.where(column, '=', wanted);
  }
  if (filter.minSeverity !== undefined)
    query = query.where('severityRank', '>=', severityOrder.indexOf(filter.minSeverity));
  const counted = await query.select((eb) => eb.fn.countAll().as('total')).executeTakeFirstOrThrow();
  const rows = await query
    .where(isBehind('lastAt', filter.after))
    .select(['id', 'lastAt', 'doc'])
    .orderBy('lastAt', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit + 1)
    .execute();
  return pageFrom(rows, filter.limit, counted.total, { at: (row) => row.lastAt, item: (row) => fromDoc(row.doc) });
}
