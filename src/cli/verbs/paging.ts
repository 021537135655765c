// Long lists come in pages; a verb takes as many as its `--limit` asks for, and says what is left.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Paged } from '../print/records.ts';
import type { VerbOption, Words } from '../verb.ts';

export const limitOption: VerbOption = { flags: '--limit <n>', says: 'how many at most, the latest first (100)' };

const pageMax = 500;
const limitMax = 100_000;

export function limitOf(words: Words): Result<number> {
  const text = words.maybe('limit') ?? '100';
  const limit = Number(text);
  if (/^\d{1,6}$/.test(text) && limit >= 1 && limit <= limitMax) return ok(limit);
  return fail(problem('usage', `--limit takes a number from 1 to ${limitMax}, not "${text}".`));
}

export async function collect<T>(
  limit: number,
  ask: (page: { limit: number; after?: string }) => Promise<Result<Paged<T>>>,
): Promise<Result<Paged<T>>> {
  const items: T[] = [];
  let next: string | null = null;
  for (;;) {
    const got: Result<Paged<T>> = await ask({
      limit: Math.min(pageMax, limit - items.length),
      ...(next === null ? {} : { after: next }),
    });
    if (!got.ok) return got;
    items.push(...got.value.items);
    next = got.value.next;
    if (next === null || items.length >= limit || got.value.items.length === 0)
      return ok({ items, next, total: got.value.total });
  }
}
