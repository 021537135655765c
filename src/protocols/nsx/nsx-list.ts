// Lists of an NSX manager, page by page: the cursor of one page asks for the next.
import { asList, asObject, asText, type JsonObject } from '../../kit/json-object.ts';
import { ok } from '../../kit/result.ts';
import type { NsxResult } from './nsx-answer.ts';
import type { NsxClient } from './nsx-client.ts';
import { type NsxPath, withQuery } from './nsx-path.ts';

export interface NsxList {
  readonly items: readonly JsonObject[];
  /** There is more than was read. */
  readonly isCut: boolean;
}

/** The most that NSX gives at once. */
const pageSize = 1000;

/** At most `pagesMax` pages of a thousand; a server that gives the same cursor again is not followed. */
export async function listNsx(client: NsxClient, path: NsxPath, pagesMax: number): Promise<NsxResult<NsxList>> {
  const items: JsonObject[] = [];
  const seen = new Set<string>();
  for (let cursor: string | null = ''; cursor !== null;) {
    if (seen.has(cursor) || seen.size >= pagesMax) return ok({ items, isCut: true });
    seen.add(cursor);
    const where = withQuery(path, { page_size: String(pageSize), ...(cursor === '' ? {} : { cursor }) });
    const page = await client.ask('GET', where);
    if (!page.ok) return page;
    const results = asList(page.value['results'], pageSize);
    items.push(...results.map((item) => asObject(item)).filter((item) => item !== null));
    const next = asText(page.value['cursor']);
    cursor = next === null || next === '' || results.length === 0 ? null : next;
  }
  return ok({ items, isCut: false });
}
