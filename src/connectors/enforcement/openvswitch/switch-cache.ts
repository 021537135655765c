// What Open vSwitch decided of earlier packets, and goes on doing: its datapath keeps a flow for each kind of packet it has seen, and
// brings them in line with the tables a moment later. Releases before 3.3 with the datapath in user space do not always (their commit
// 21410ff80, "dpif-netdev: Fix dpif_netdev_flow_put", mends it): of two such flows that overlap, the wrong one is changed, and the other
// goes on for as long as it has packets. Seen here with 3.1.0: a VM that was rerouted kept a connection past the inspection point.
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { OvsdbClient } from '../../../protocols/ovsdb/ovsdb-client.ts';
import { askSwitchDaemon } from '../../../protocols/ovsdb/switch-daemon.ts';
import type { Patience } from '../verified-action.ts';
import { isTaken } from './switch-state.ts';

const takenWithinMs = 3000;
const askEveryMs = 10;

/** Until the switch's daemon has carried out what the database asks of it. */
export async function untilTaken(client: OvsdbClient, { clock, sleep }: Patience): Promise<Result<void>> {
  for (const deadline = clock.monotonic() + takenWithinMs; ;) {
    const taken = await isTaken(client);
    if (!taken.ok) return taken;
    if (taken.value) return ok(undefined);
    if (clock.monotonic() > deadline)
      return fail(problem('failed', `ovs-vswitchd has not carried it out within ${takenWithinMs} ms.`, 'Does it run?'));
    await sleep(askEveryMs);
  }
}

/** The next packet of every kind is decided anew, by the tables as they are (ovs-vswitchd(8), `revalidator/purge`). */
export async function forgetDecisions(database: string): Promise<Result<void>> {
  const done = await askSwitchDaemon(database, 'revalidator/purge');
  return done.ok ? ok(undefined) : done;
}
