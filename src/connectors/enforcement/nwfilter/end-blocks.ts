// Blocks whose time is over and that nobody remembers: of a sentinel that lost its database. libvirt has no clock, so that they would
// stand for ever.
import { ok, type Result } from '../../../kit/result.ts';
import { type LibvirtClient, openLibvirt } from '../../../protocols/libvirt/libvirt-client.ts';
import { noSupport } from './card-state.ts';
import { filterText, namePrefix } from './filter-text.ts';
import { readFilter } from './read-filter.ts';

export interface EndedBlocks {
  /** Ids of those that were taken out. */
  readonly ended: readonly string[];
  /** When the next one is over, since the epoch; null = there is none. */
  readonly nextMs: number | null;
}

/**
 * Takes them out of every filter of ours in that libvirt. A filter that is empty by then stays before its card and lets everything
 * pass to the owner's, until a measure is put there or released. Not while a measure is being put or taken.
 */
export async function endBlocks(socket: string, nowMs: number): Promise<Result<EndedBlocks>> {
  const client = await openLibvirt(socket);
  if (!client.ok) return client;
  try {
    return await endIn(client.value, nowMs);
  } finally {
    client.value.close();
  }
}

async function endIn(client: LibvirtClient, nowMs: number): Promise<Result<EndedBlocks>> {
  const listed = await client.filters.list();
  if (!listed.ok) return listed.error.code === noSupport ? ok({ ended: [], nextMs: null }) : listed;
  const ended: string[] = [];
  let nextMs: number | null = null;
  for (const filter of listed.value.filter(({ name }) => name.startsWith(namePrefix))) {
    const text = await client.filters.describe(filter);
    const reading = text.ok ? readFilter(text.value) : text;
    if (!reading.ok) return reading;
    const { name, owner, measures } = reading.value;
    const kept = measures.filter(({ untilMs }) => untilMs === null || untilMs > nowMs);
    for (const { untilMs } of kept) if (untilMs !== null) nextMs = Math.min(nextMs ?? untilMs, untilMs);
    if (kept.length === measures.length) continue;
    const defined = await client.filters.define(filterText({ name, uuid: filter.uuid, owner, measures: kept }));
    if (!defined.ok) return defined;
    ended.push(...measures.filter((measure) => !kept.includes(measure)).map(({ id }) => id));
  }
  return ok({ ended, nextMs });
}
