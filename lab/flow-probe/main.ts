// Watches flows from inside the lab's network namespace, where its Open vSwitch can reach us, and tells what it saw in lines of
// JSON. Told by its first argument what to watch; stops in order when its input ends.
import { FlowWatch, type FlowWatchOptions } from '../../src/sensors/flows/flow-watch.ts';
import type { VmOnHost } from '../../src/sensors/flows/listening-points.ts';
import type { ProbeLine } from '../flow-probe.ts';

const { vms, ovsDatabase } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly vms: readonly VmOnHost[];
  readonly ovsDatabase: string;
};

function tell(line: ProbeLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const options: FlowWatchOptions = {
  vms: () => vms,
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  listener: {
    opened: ({ record }) => tell({ what: 'opened', record }),
    ended: ({ record }) => tell({ what: 'ended', record }),
    lost: (loss) => tell({ what: 'lost', loss }),
  },
  ovsDatabase,
};
const watch = new FlowWatch(options);
await watch.start();
tell({ what: 'health', health: watch.health() });
process.stdin.resume();
process.stdin.once('end', () => {
  tell({ what: 'health', health: watch.health() });
  // What was written last must have gone out before the process ends.
  void watch.stop().then(() => process.stdout.write('', () => process.exit(0)));
});
