// What a person does who knows the shop: its captures are short and without an attack, so that what was held for being rare is work.
import type { Client } from '../src/client/connect.ts';
import { must } from '../src/manager/trial.ts';
import type { HeldEntry } from '../src/model/held-entry.ts';

/** The entries that waited and were taken in. */
export async function acceptHeld(client: Client, scope: string): Promise<readonly HeldEntry[]> {
  const held = must(await client.listHeld({ scope }));
  for (const [service, entries] of Map.groupBy(held, (entry) => entry.service)) {
    const ids = entries.map(({ id }) => id);
    must(await client.decideHeld({ scope, service, entries: ids, verdict: 'accepted' }));
  }
  return held;
}
