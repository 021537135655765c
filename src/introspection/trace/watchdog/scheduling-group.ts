// How much of a busy processor a process gets beside others. Where the kernel groups processes by session (sched(7), "autogroup"), the
// processes of a session share its weight, and a new session has the neutral one, whatever its starter's is: measured on a host whose
// sentinel had weight -15 and whose guests took every processor, a watchdog in a session of its own had no turn for ten seconds.
import { readFileSync, writeFileSync } from 'node:fs';

/** Gives the session that process `pid` leads the weight of the session of `model`, of ours unless told. Nothing happens where the kernel has
 *  no such groups, where the model is in none (a process of no session since the kernel's own, or with a control group's weight), or where
 *  the kernel forbids it. */
export function weighAlike(pid: number, model: number | 'self' = 'self'): void {
  try {
    const weight = weightIn(readFileSync(`/proc/${model}/autogroup`, 'latin1'));
    if (weight !== null) writeFileSync(`/proc/${pid}/autogroup`, weight);
  } catch {
    // As the kernel has it, then.
  }
}

/** `/autogroup-42 nice -15` gives `-15`; null for what is no such line. */
export function weightIn(line: string): string | null {
  return /^\/autogroup-\d+ nice (-?\d{1,2})\n?$/.exec(line)?.[1] ?? null;
}
