// Getting past a breakpoint without running its instruction: the entries of the kernel's functions begin with bytes that do nothing, so
// the instruction pointer is simply moved on. What is there is read at each stop, since function tracing in the guest changes it.
import { nowhere } from '../kernel/kernel-space.ts';
import type { StopPoint, StoppedCpu } from './hook.ts';
import type { GuestAtStop } from './stopped-guest.ts';

/** Five bytes kept free for function tracing. */
const room = '0f1f440000';
/** ENDBR64, and what the kernel puts in its place where nothing may jump to. */
const landings = ['f30f1efa', '660f1f00', '0f1f40d6'];
const bytesRead = 9;

/** A CPU that stands at a point whose instruction has to be run. */
export interface Step {
  readonly thread: number;
  readonly point: StopPoint;
}

/** How many bytes may be skipped at an entry that begins so; null = none. */
export function skippable(bytes: Buffer): number | null {
  const text = bytes.toString('hex');
  if (text.startsWith(room)) return 5;
  return landings.some((landing) => text.startsWith(landing + room)) ? 9 : null;
}

/** Moves every CPU that stands at a point past it; those that must do the instruction instead are given back. */
export function skipEntries(guest: GuestAtStop, points: readonly StopPoint[]): readonly Step[] {
  const steps: Step[] = [];
  for (const cpu of guest.cpus) {
    const point = points.find((candidate) => standsAt(cpu, candidate));
    if (point === undefined || guest.isSent(cpu)) continue;
    const at = guest.space.linear(point.at.high, point.at.low);
    const past = at === nowhere ? null : skippable(guest.space.pages.copy(at, bytesRead));
    if (past === null) steps.push({ thread: cpu.thread, point });
    else guest.setRegister(cpu, 'rip', { high: point.at.high, low: point.at.low + past });
  }
  return steps;
}

function standsAt({ registers }: StoppedCpu, { at }: StopPoint): boolean {
  return registers.low('rip') === at.low && registers.high('rip') === at.high;
}
