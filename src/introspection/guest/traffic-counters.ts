// The guest kernel's own counters of connections and datagrams: they move when a socket is used, however short it lives.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere, type KernelSpace } from '../kernel/kernel-space.ts';
import { readOnlineCpus } from './system.ts';

const counterBytes = 8;
/** Indices from include/uapi/linux/snmp.h, which never change: TCP_MIB_ACTIVEOPENS, TCP_MIB_PASSIVEOPENS; UDP_MIB_INDATAGRAMS, UDP_MIB_OUTDATAGRAMS. */
const tcpOpens = [5, 6];
const udpDatagrams = [1, 4];
/** Each processor has its own counters, each costs a read: beyond this many the price is more than the news is worth. */
const cpusMax = 16;

/**
 * Where the counters of the initial network namespace lie, one of each kind for every processor. They never move.
 * Empty when the kernel keeps none, or for too many processors.
 */
export function trafficCounters(space: KernelSpace): readonly PhysicalAddress[] {
  const { fields } = space.profile;
  const namespace = space.optionalSymbol('init_net');
  const perCpu = space.optionalSymbol('__per_cpu_offset');
  const cpus = readOnlineCpus(space) ?? 0;
  if (namespace === null || perCpu === null || cpus > cpusMax) return [];
  return [
    { statistics: fields['net.mib.tcp_statistics'], indices: tcpOpens },
    { statistics: fields['net.mib.udp_statistics'], indices: udpDatagrams },
  ].flatMap(({ statistics, indices }) =>
    statistics === undefined ? [] : countersAt(space, namespace + statistics, perCpu, cpus, indices),
  );
}

/** A per-processor pointer is completed by adding the processor's own offset, modulo 2^64. */
function countersAt(
  space: KernelSpace,
  pointer: PhysicalAddress,
  perCpu: PhysicalAddress,
  cpus: number,
  indices: readonly number[],
): readonly PhysicalAddress[] {
  const base = wide(space, pointer);
  return Array.from({ length: cpus }, (_, cpu) => wide(space, perCpu + cpu * 8)).flatMap((offset) =>
    indices
      .map((index) => BigInt.asUintN(64, base + offset + BigInt(index * counterBytes)))
      .map((at) => space.anywhere(Number(at >> 32n), Number(at & 0xffff_ffffn)))
      .filter((at) => at !== nowhere),
  );
}

function wide(space: KernelSpace, at: PhysicalAddress): bigint {
  return (BigInt(space.pages.u32(at + 4)) << 32n) | BigInt(space.pages.u32(at));
}
