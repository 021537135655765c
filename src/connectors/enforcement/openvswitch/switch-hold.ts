// A switch whose daemon has begun anew has forgotten every flow, and forwards as if nothing had been ordered until it is told again.
// It can be made to wait: a daemon that finds `flow-restore-wait` set when it starts forwards nothing that is new to it until that is
// taken back (ovs-vswitchd.conf.db(5)). Later it asks no more, so the wish must be there between the one daemon and the next.
import type { Json } from '../../../kit/canonical-json.ts';
import { ok, type Result } from '../../../kit/result.ts';
import type { OvsdbClient } from '../../../protocols/ovsdb/ovsdb-client.ts';
import { askSwitchDaemon } from '../../../protocols/ovsdb/switch-daemon.ts';

/** Spelled so that ours is told from the `true` of ovs-ctl, which makes a planned restart wait; the daemon takes both (smap_get_bool). */
const wish: Json = ['map', [['flow-restore-wait', 'True']]];

/** Has no effect where somebody else's wish is there already (RFC 7047, 5.1: what a map has is not inserted again). */
export async function holdSwitch(client: OvsdbClient): Promise<Result<void>> {
  return await mutate(client, ['other_config', 'insert', wish]);
}

/** Takes back our wish, and nobody else's (RFC 7047, 5.1: only pairs that are the same are deleted). */
export async function letSwitchGo(client: OvsdbClient): Promise<Result<void>> {
  return await mutate(client, ['other_config', 'delete', wish]);
}

/** Whether the daemon has made its bridges, all of which it makes at once, and can be told flows. */
export async function hasBridges(database: string): Promise<boolean> {
  const said = await askSwitchDaemon(database, 'ofproto/list');
  return said.ok && said.value.trim() !== '';
}

async function mutate(client: OvsdbClient, mutation: Json): Promise<Result<void>> {
  const done = await client.transact([{ op: 'mutate', table: 'Open_vSwitch', where: [], mutations: [mutation] }]);
  return done.ok ? ok(undefined) : done;
}
