// Keeps standing orders from filling a disk and from stopping a VM over and over: one attack shows as many findings, and each may ask
// for a snapshot or for the memory of the same VM.
import { problem, sayProblem } from '../../kit/problem.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { Step } from '../../model/remediation.ts';
import type { ActOutcome, Enforcer } from '../../connectors/enforcement/enforcer.ts';

/** A snapshot, or memory, this fresh serves the next finding as well. */
const freshMs = 60_000;
/** So many of ours on one VM, and a person has to look first. */
const keptMax = 8;
const ours = /^plumbline-/;
const vmsMax = 10_000;

export class SnapshotThrift {
  readonly #last = new RecentMap<string, { readonly name: string; readonly atMs: number }>(vmsMax);

  readonly #memory = new RecentMap<string, { readonly evidence: string; readonly atMs: number }>(vmsMax);

  memoryKept(step: Step, evidence: string, nowMs: number): void {
    this.#memory.set(step.vm, { evidence, atMs: nowMs });
  }

  /** The outcome without keeping it again, or null when it is to be kept. */
  servedByMemory(step: Step, nowMs: number): ActOutcome | null {
    const last = this.#memory.peek(step.vm);
    if (last === undefined || nowMs - last.atMs >= freshMs) return null;
    const ago = Math.round((nowMs - last.atMs) / 1000);
    return {
      state: 'done',
      evidence: `memory kept ${ago} s before holds this as well: ${last.evidence}`.slice(0, 4000),
    };
  }

  made(step: Step, nowMs: number): void {
    if (step.snapshot !== undefined) this.#last.set(step.vm, { name: step.snapshot, atMs: nowMs });
  }

  /** The outcome without making one, or null when one is to be made. */
  async servedBy(step: Step, enforcer: Enforcer, nowMs: number): Promise<ActOutcome | null> {
    const reading = await enforcer.readState();
    if (!reading.ok) return null;
    const { snapshots } = reading.value;
    const last = this.#last.peek(step.vm);
    if (last !== undefined && nowMs - last.atMs < freshMs && snapshots.includes(last.name)) {
      const ago = Math.round((nowMs - last.atMs) / 1000);
      return { state: 'done', evidence: `snapshot ${last.name}, made ${ago} s before, holds this as well` };
    }
    const held = snapshots.filter((name) => ours.test(name)).length;
    if (held < keptMax) return null;
    const full = problem(
      'refused',
      `The VM already holds ${held} snapshots made by standing orders.`,
      'Delete those that are no longer needed, then order one.',
    );
    return { state: 'failed', evidence: sayProblem(full), problem: full };
  }
}
