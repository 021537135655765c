// What every hook is made from, and the event it fills in.
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { Actor, ProcessReader } from '../process-facts.ts';
import type { Sighting } from '../hook.ts';
import type { TracedKind } from '../trace-event.ts';

/** data = watchpoints on what a moment always touches; code = breakpoints at the functions themselves. */
export type Technique = 'data' | 'code';

export interface HookContext {
  readonly space: KernelSpace;
  readonly processes: ProcessReader;
  readonly technique: Technique;
  /** All that is to be told. */
  readonly kinds: ReadonlySet<TracedKind>;
}

/** An event with nothing but who did it. */
export function plainEvent(kind: TracedKind, { facts }: Actor): Sighting['event'] {
  return {
    kind,
    ...facts,
    proto: null,
    localAddr: null,
    localPort: null,
    remoteAddr: null,
    remotePort: null,
    childPid: null,
    module: null,
  };
}
