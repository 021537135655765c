// When is it enough? How much of what a service does was never seen while it was learned, in words a person can decide by.
import { deviates, forecastNew, intervalOf } from '../../kit/discovery-forecast.ts';
import { frequenciesOf, missingMass, richness } from '../../kit/unseen-species.ts';
import type { DayForecast, KnownKind } from '../../model/learning.ts';
import type { Profile } from '../../model/profile.ts';
import type { Discoveries } from './discoveries.ts';

const secondsPerDay = 86_400;
/** What was not seen in n days happens, at 95 %, less than 3 / n times a day (Hanley and Lippman-Hand 1983, "the rule of three"). */
const ruleOfThree = 3;

/** For each kind of behaviour that was seen: how much there seems to be, and how likely the next activity is a new one. */
export function knownKinds(profile: Profile): readonly KnownKind[] {
  const byKind = Map.groupBy(Object.values(profile.entries), ({ behaviour }) => behaviour.kind);
  return [...byKind].map(([kind, entries]) => {
    const frequencies = frequenciesOf(entries.map(({ count }) => count));
    return { kind, entries: entries.length, richness: richness(frequencies), missingMass: missingMass(frequencies) };
  });
}

/**
 * New behaviours the next day will show, of all members together; each would alarm. Time in which something may have gone unseen
 * counts as not watched. Never less than the rule of three allows, however quiet it was. Null = nobody was watched.
 */
export function forecastDay(profile: Profile, discoveries: Discoveries): DayForecast | null {
  const watched = profile.coverage.filter(({ observedSeconds, lossSeconds }) => observedSeconds > lossSeconds);
  const memberDays =
    watched.reduce((sum, { observedSeconds, lossSeconds }) => sum + observedSeconds - lossSeconds, 0) / secondsPerDay;
  if (memberDays <= 0) return null;
  // As much is done in a day as on those that were watched.
  const ahead = (discoveries.taken / memberDays) * watched.length;
  const forecast = forecastNew(discoveries.runs, ahead);
  const { low, high } = intervalOf(forecast, deviates.ninetyFive);
  const least = (ruleOfThree * watched.length) / memberDays;
  return { memberDays, newPerDay: Math.max(forecast.expected, least), low, high: Math.max(high, least), least };
}
