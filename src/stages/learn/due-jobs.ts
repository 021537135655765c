// Jobs of a calendar that was seen to be followed and whose turn has not come yet. Whoever runs the daily jobs of a system will
// run the monthly ones: learning that ends before then knows that something is missing, and what.
import type { Behaviour } from '../../model/behaviour.ts';
import type { Activity } from '../../model/observation.ts';
import type { Profile } from '../../model/profile.ts';

export interface DueJob {
  /** What the jobs are found by, in an executable's path or its arguments. */
  readonly place: string;
  readonly period: string;
  /** A place of the same calendar whose jobs were seen. */
  readonly because: string;
}

/** Directories whose scripts run together, one after each period. */
const calendars: readonly { readonly places: Readonly<Record<string, string>>; readonly source: string }[] = [
  {
    places: {
      '/etc/cron.hourly': 'hour',
      '/etc/cron.daily': 'day',
      '/etc/cron.weekly': 'week',
      '/etc/cron.monthly': 'month',
      '/etc/cron.yearly': 'year',
    },
    source: 'cron(8) and anacrontab(5) of Debian, crontabs(4) of Red Hat',
  },
  {
    places: {
      '/etc/periodic/15min': 'quarter of an hour',
      '/etc/periodic/hourly': 'hour',
      '/etc/periodic/daily': 'day',
      '/etc/periodic/weekly': 'week',
      '/etc/periodic/monthly': 'month',
    },
    source: 'crontab of Alpine; periodic(8) of the BSDs',
  },
];

export function dueJobs(profile: Profile): readonly DueJob[] {
  const behaviours = Object.values(profile.entries).map(({ behaviour }) => behaviour);
  return calendars.flatMap(({ places }) => {
    const seen = Object.keys(places).filter((place) => behaviours.some((behaviour) => names(behaviour, place)));
    const [because] = seen;
    if (because === undefined) return [];
    return Object.entries(places).flatMap(([place, period]) =>
      seen.includes(place) ? [] : [{ place, period, because }],
    );
  });
}

function names(behaviour: Behaviour, place: string): boolean {
  return behaviour.kind === 'process' && mentions([behaviour.exe, ...behaviour.argv], place);
}

const dayMs = 86_400_000;
const periodsMs: Readonly<Record<string, number>> = {
  'quarter of an hour': 900_000,
  hour: 3_600_000,
  day: dayMs,
  week: 7 * dayMs,
  month: 31 * dayMs,
  year: 366 * dayMs,
};

/** The longest period of a calendar that any of the texts names; null when none does. */
export function calendarMs(texts: readonly string[]): number | null {
  const periods = calendars.flatMap(({ places }) =>
    Object.entries(places).flatMap(([place, period]) => (mentions(texts, place) ? (periodsMs[period] ?? 0) : [])),
  );
  return periods.length === 0 ? null : Math.max(...periods);
}

/** Whether the activity is the start of such jobs, or one of them. */
export function isDue(jobs: readonly DueJob[], activity: Activity): boolean {
  if (activity.kind !== 'process') return false;
  const { image, parent, ancestors } = activity;
  const texts = [image.exe ?? '', ...image.argv, parent?.exe ?? '', ...ancestors];
  return jobs.some(({ place }) => mentions(texts, place));
}

function mentions(texts: readonly string[], place: string): boolean {
  return texts.some((text) => {
    const at = text.indexOf(place);
    return at !== -1 && !/[\w.-]/.test(text[at + place.length] ?? '');
  });
}
