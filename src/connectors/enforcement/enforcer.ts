// The contract every hypervisor keeps that carries out steps: what it can do, doing it, and reading back what is true.
// An enforcer decides nothing; a step is never reported done because a command was accepted.
import type { Problem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { CardLink } from './card-links.ts';
import type { Step, VmAction as AnyVmAction } from '../../model/remediation.ts';

/** What can be done to a VM; `alert` is not an action on it, and what is answered inside the guest is no hypervisor's. */
export type VmAction = Exclude<AnyVmAction, 'alert'>;

/** gone = the QEMU process of this run has ended. */
export type RunState = 'running' | 'paused' | 'gone';

export interface VmReading {
  readonly run: RunState;
  /** The hypervisor's own word for it: `paused`, `postmigrate`, `no such process` ... */
  readonly words: string;
  readonly snapshots: readonly string[];
}

export type ActOutcome =
  | { readonly state: 'done' | 'unconfirmed'; readonly evidence: string }
  | { readonly state: 'failed'; readonly evidence: string; readonly problem: Problem };

export interface Enforcer {
  /** What this VM's hypervisor offers here and now; a missing one comes with the reason. */
  capabilities(): Promise<readonly Capability[]>;
  /** Carries out one step and reads back what it made true. Doing it twice does no more than once. Never throws. */
  act(step: Step): Promise<ActOutcome>;
  readState(): Promise<Result<VmReading>>;
  /** The VM's network cards; none where they cannot be read at all. */
  readLinks(): Promise<Result<readonly CardLink[]>>;
}

export interface Capability {
  readonly action: VmAction;
  readonly available: boolean;
  /** Why not, and what would mend it; of what can be done, how, where it is not done as usual. */
  readonly why: string | null;
}
