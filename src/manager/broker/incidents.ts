// Open alarms put together into incidents, as they are now: nothing of an incident is stored but its alarms.
import type { Incident } from '../../model/incident.ts';
import { incidentsOf } from '../../stages/assess/incidents.ts';
import { activitiesOf, listAlarms } from '../store/alarms.ts';
import type { Db } from '../store/tables.ts';

/** The latest ones; more than these nobody could look through. */
const alarmsMax = 1000;

export async function readIncidents(
  db: Db,
  filter: { readonly scope?: string; readonly vm?: string },
): Promise<{ items: Incident[]; alarmsLeftOut: number }> {
  const { items, total } = await listAlarms(db, { ...filter, status: 'open', limit: alarmsMax });
  const given = [];
  for (const alarm of items) given.push({ alarm, activities: await activitiesOf(db, alarm.id) });
  return { items: [...incidentsOf(given)], alarmsLeftOut: Math.max(0, total - items.length) };
}
