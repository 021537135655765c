// Times as observations carry them: ISO 8601, UTC, three decimals, so that they compare as texts.

/** Stands for a time nobody recorded. Before every real one, so it never makes anything look recent. */
export const unknownTime = '1970-01-01T00:00:00.000Z';

const isoShape = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)$/;

export function canonicalTime(text: string | undefined): string {
  if (text === undefined || !isoShape.test(text)) return unknownTime;
  const time = Date.parse(text.replace(' ', 'T').replace(',', '.'));
  return Number.isNaN(time) ? unknownTime : new Date(time).toISOString();
}
