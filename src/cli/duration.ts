// Durations as people type them: 90s, 10m, 2h, 1d, or several after each other (1h30m).
import { problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Longer timers do not exist: setTimeout counts milliseconds in 31 bits. */
const durationMaxMs = 24 * 86_400_000;

/** Milliseconds; at most 24 days. */
export function parseDuration(text: string): Result<number> {
  const parts = [...text.matchAll(/(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)/g)];
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join('') === text;
  const durationMs = parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (unitMs[unit ?? ''] ?? 0), 0);
  if (!isWhole || durationMs <= 0 || durationMs > durationMaxMs)
    return fail(problem('usage', `"${text}" is no duration.`, 'Write it as 90s, 10m, 2h or 1d, up to 24d.'));
  return ok(Math.round(durationMs));
}

/** The two largest units: 1h 30m. */
export function sayDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)}ms`;
  const units = ['d', 'h', 'm', 's'] as const;
  let rest = Math.round(durationMs / 1000) * 1000;
  const parts = units.flatMap((unit) => {
    const amount = Math.floor(rest / (unitMs[unit] ?? 1));
    rest -= amount * (unitMs[unit] ?? 1);
    return amount === 0 ? [] : [`${amount}${unit}`];
  });
  return parts.slice(0, 2).join(' ');
}
