// Being told by a vCenter that something about its VMs has changed: power, name, place, cards, what the guest's tools say of them.
// What has changed is not passed on: whoever is told asks, and so reads what is so now and whole.
import { followProperties } from '../../../protocols/vsphere/property-updates.ts';
import type { VimClient } from '../../../protocols/vsphere/vim-client.ts';
import type { FollowedPlatform, PlatformNews } from '../platform.ts';

/** What the inventory is made of, but for tags and attributes: those change nothing that is held. */
const paths = [
  'name',
  'config.template',
  'config.uuid',
  'config.hardware.device',
  'runtime.powerState',
  'runtime.connectionState',
  'runtime.host',
  'guest.ipAddress',
  'guest.net',
] as const;
/** A connection that was lost without a word is noticed when this and the client's own limit have passed. */
const waitSeconds = 20;
const restMs = 2000;

/** `client` is nobody else's: its session ends with the following. */
export function followInventory(
  client: VimClient,
  sleep: (ms: number) => Promise<void>,
  told: (news: PlatformNews) => void,
): FollowedPlatform {
  const closing = new AbortController();
  const ended = follow(client, sleep, told, closing.signal);
  return {
    async close() {
      closing.abort();
      await ended;
      await client.close();
    },
  };
}

async function follow(
  client: VimClient,
  sleep: (ms: number) => Promise<void>,
  told: (news: PlatformNews) => void,
  signal: AbortSignal,
): Promise<void> {
  const options = { type: 'VirtualMachine', paths, waitSeconds, restMs, sleep, signal };
  for await (const each of followProperties(client, options)) {
    if (signal.aborted) return;
    if ('trouble' in each) told({ kind: 'broken', why: each.trouble });
    else if (each.hasMore) continue;
    else if (each.isWhole) told({ kind: 'following' });
    else told({ kind: 'changed' });
  }
}
