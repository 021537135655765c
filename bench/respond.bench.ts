// How soon an answer is in force, from its order to its having been read back, on real switches.
import { figure, report, type BenchReport } from './measure.ts';
import { quarantineTimes } from './quarantine-times.ts';

export async function bench(say: (line: string) => void): Promise<BenchReport> {
  say('quarantine on a Linux bridge');
  const nftables = await quarantineTimes('bridge');
  say('quarantine on Open vSwitch');
  const openvswitch = await quarantineTimes('ovs');
  return report(
    'respond',
    {
      'quarantineMs.nftables': figure(nftables.quarantineMs, 'ms'),
      'quarantineMs.openvswitch': figure(openvswitch.quarantineMs, 'ms'),
      'liftMs.nftables': figure(nftables.liftMs, 'ms'),
      'liftMs.openvswitch': figure(openvswitch.liftMs, 'ms'),
      'restartLeak.openvswitch': figure(openvswitch.restartLeaks, 'frames'),
    },
    {},
  );
}
