// Whether a time lies within hours that come again.
import type { Hours } from '../../model/response-policy.ts';

const dayMs = 24 * 3600 * 1000;

/** `nowMs` since the Unix epoch; hours are UTC. Both ends the same = the whole day. */
export function isWithin(hours: readonly Hours[], nowMs: number): boolean {
  return hours.some((one) => holds(one, nowMs));
}

function holds({ days, from, to }: Hours, nowMs: number): boolean {
  const begin = ofDay(from);
  const lengthMs = (ofDay(to) - begin + dayMs) % dayMs || dayMs;
  const midnightMs = Math.floor(nowMs / dayMs) * dayMs;
  // Hours that began yesterday may reach into today.
  return [midnightMs, midnightMs - dayMs].some((dayStartMs) => {
    const beganMs = dayStartMs + begin;
    const isDay = days === undefined || days.includes(new Date(dayStartMs).getUTCDay());
    return isDay && nowMs >= beganMs && nowMs < beganMs + lengthMs;
  });
}

function ofDay(text: string): number {
  const [hours, minutes] = text.split(':').map(Number);
  return ((hours ?? 0) * 60 + (minutes ?? 0)) * 60_000;
}
