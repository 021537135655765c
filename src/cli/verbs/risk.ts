// `risk<=1/day`: how many new behaviours a day are tolerable before a person stops learning, and how many there would be now.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Learning } from '../../model/learning.ts';

const perDay: Readonly<Record<string, number>> = { hour: 24, day: 1, week: 1 / 7, month: 1 / 30 };

/** New behaviours a day. */
export function parseRisk(text: string): Result<number> {
  const [, amount, unit] = /^risk\s*<=\s*(\d{1,6}(?:\.\d{1,4})?)\s*\/\s*(hour|day|week|month)$/.exec(text.trim()) ?? [];
  const risk = Number(amount) * (perDay[unit ?? ''] ?? Number.NaN);
  return risk > 0
    ? ok(risk)
    : fail(problem('usage', `"${text}" is no risk.`, "Write it as 'risk<=1/day', with hour, day, week or month."));
}

/** Of all services with members together; null = of one of them nothing can be said yet. */
export function riskOf({ services }: Learning): number | null {
  const inhabited = services.filter(({ coverage }) => coverage.length > 0);
  if (inhabited.length === 0) return null;
  return inhabited.reduce<number | null>(
    (sum, { forecast }) => (sum === null || forecast === null ? null : sum + forecast.newPerDay),
    0,
  );
}

export function sayRisk(risk: number | null): string {
  return risk === null
    ? 'nothing can be said yet'
    : `${risk < 10 ? risk.toFixed(1) : Math.round(risk)} new behaviours a day`;
}
