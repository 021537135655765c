// Facts about a guest as a whole: its name, when it booted, and the counters that move whenever it does anything.
import { pageBytes } from '../memory/guest-memory.ts';
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
 * Reads the activity counters past every cache, with a read for each page they lie in: cheap enough for every few milliseconds.
 * All are -1 when the guest's memory cannot be read any more.
 */
export function activityReader(space: KernelSpace, traffic: readonly PhysicalAddress[]): () => Activity {
  const memory: GuestMemory = space.pages.memory;
  const [forksAt, ticksAt] = [space.symbol('total_forks'), space.symbol('jiffies_64')];
  const stretches = stretchesOf([forksAt, ticksAt, ...traffic]);
  const bytes = Buffer.alloc(stretches.reduce((sum, { length }) => sum + length, 0));
  const counter = (at: PhysicalAddress): number => {
    const held = stretches.find((one) => at >= one.at && at < one.at + one.length);
    return held === undefined ? 0 : held.into + (at - held.at);
  };
  const [forks, ticks, used] = [counter(forksAt), counter(ticksAt), traffic.map(counter)];
  return () => {
    for (const { at, length, into } of stretches)
      if (!memory.read(at, bytes, into, length)) return { forks: -1, ticks: -1, traffic: -1 };
    return {
      forks: number64(bytes, forks),
      ticks: number64(bytes, ticks),
      traffic: used.reduce((sum, at) => sum + number64(bytes, at), 0),
    };
  };
}

interface Stretch {
  readonly at: PhysicalAddress;
  readonly length: number;
  /** Where it is read to. */
  readonly into: number;
}

/** What to read for counters of eight bytes each: those in one page together. */
function stretchesOf(counters: readonly PhysicalAddress[]): readonly Stretch[] {
  const stretches: Stretch[] = [];
  let into = 0;
  for (const at of counters.toSorted((one, other) => one - other)) {
    const last = stretches.at(-1);
    const joins = last !== undefined && Math.floor(last.at / pageBytes) === Math.floor((at + 7) / pageBytes);
    const from = joins ? last.at : at;
    const stretch = { at: from, length: at + 8 - from, into: joins ? last.into : into };
    if (joins) stretches[stretches.length - 1] = stretch;
    else stretches.push(stretch);
    into = stretch.into + stretch.length;
  }
  return stretches;
}

function number64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 0x1_0000_0000 + bytes.readUInt32LE(at);
}
