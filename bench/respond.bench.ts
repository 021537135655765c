// How soon an answer is in force, from its order to its having been read back, on real switches and hypervisors.
import { figure, report, type BenchReport } from './measure.ts';
import { filterTimes, quarantineTimes } from './quarantine-times.ts';
import { suspendTimes } from './suspend-times.ts';

export async function bench(say: (line: string) => void): Promise<BenchReport> {
  say('quarantine on a Linux bridge');
  const nftables = await quarantineTimes('bridge');
  say('quarantine on Open vSwitch');
  const openvswitch = await quarantineTimes('ovs');
  say('suspension by QEMU');
  const qemu = await suspendTimes('qemu');
  say('suspension by libvirt');
  const libvirt = await suspendTimes('libvirt');
  say('quarantine by libvirt’s network filters');
  const nwfilter = await filterTimes();
  return report(
    'respond',
    {
      'quarantineMs.nftables': figure(nftables.quarantineMs, 'ms'),
      'quarantineMs.openvswitch': figure(openvswitch.quarantineMs, 'ms'),
      'suspendMs.qemu': figure(qemu, 'ms'),
      'suspendMs.libvirt': figure(libvirt, 'ms'),
      'quarantineMs.nwfilter': figure(nwfilter.quarantineMs, 'ms'),
      'liftMs.nftables': figure(nftables.liftMs, 'ms'),
      'liftMs.openvswitch': figure(openvswitch.liftMs, 'ms'),
      'liftMs.nwfilter': figure(nwfilter.liftMs, 'ms'),
      'restartLeak.openvswitch': figure(openvswitch.restartLeaks, 'frames'),
    },
    {},
  );
}
