// Facts about a guest as a whole: its name, when it booted, and the counters that move whenever it does anything.
import type { GuestMemory, PhysicalAddress } from '../memory/guest-memory.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { Activity } from './guest-view.ts';

const nodeNameBytes = 65;
const yearMs = 365.25 * 24 * 3600 * 1000;

export function readHostname(space: KernelSpace): string {
  return space.pages.text(
    space.symbol('init_uts_ns') + space.profile.fields['uts_namespace.name.nodename'],
    nodeNameBytes,
  );
}

export function readOnlineCpus(space: KernelSpace): number | null {
  const online = space.optionalSymbol('__num_online_cpus');
  return online === null ? null : space.pages.u32(online);
}

/** Milliseconds since the epoch when the guest booted, by its own clock; null when its timekeeper cannot be read or makes no sense. */
export function readBootTime(space: KernelSpace): number | null {
  const { fields } = space.profile;
  const core = space.optionalSymbol('timekeeper_data') ?? space.optionalSymbol('tk_core');
  const toReal = fields['timekeeper.offs_real'];
  const toBoot = fields['timekeeper.offs_boot'];
  const seconds = fields['timekeeper.xtime_sec'];
  if (core === null || toReal === undefined || toBoot === undefined || seconds === undefined) return null;
  // Where the structure around it has no name, it is a sequence counter and padding.
  const timekeeper = core + (fields['tk_data.timekeeper'] ?? 8);
  const bootedMs = signed(space, timekeeper + toReal) - signed(space, timekeeper + toBoot);
  const nowMs = space.pages.u64(timekeeper + seconds) * 1000;
  const plausible = bootedMs > 0 && bootedMs <= nowMs + 1000 && nowMs - bootedMs < 100 * yearMs;
  return plausible ? Math.round(bootedMs) : null;
}

/** A signed count of nanoseconds, in milliseconds. */
function signed(space: KernelSpace, at: number): number {
  const high = space.pages.u32(at + 4) | 0;
  return (high * 0x1_0000_0000 + space.pages.u32(at)) / 1e6;
}

/**
 * Reads the activity counters past every cache, with a few reads of eight bytes: cheap enough for every few milliseconds.
 * All are -1 when the guest's memory cannot be read any more.
 */
export function activityReader(space: KernelSpace, traffic: readonly PhysicalAddress[]): () => Activity {
  const memory: GuestMemory = space.pages.memory;
  const forksAt = space.symbol('total_forks');
  const ticksAt = space.symbol('jiffies_64');
  const counters = [forksAt, ticksAt, ...traffic];
  const bytes = Buffer.alloc(8 * counters.length);
  return () => {
    const readable = counters.every((at, index) => memory.read(at, bytes, 8 * index, 8));
    if (!readable) return { forks: -1, ticks: -1, traffic: -1 };
    const [forks = -1, ticks = -1, ...used] = counters.map((_, index) => number64(bytes, 8 * index));
    return { forks, ticks, traffic: used.reduce((sum, count) => sum + count, 0) };
  };
}

function number64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 0x1_0000_0000 + bytes.readUInt32LE(at);
}
