// What the hooks for attempts share: who is behind an attempt, and whom to tell of what could not be decided or came through.
import type { PhysicalAddress } from '../../../memory/guest-memory.ts';
import type { KillPlaces } from '../../refuse/forced-kill.ts';
import { taskBehind } from '../../refuse/task-behind.ts';
import type { Actor } from '../../process-facts.ts';
import type { HookContext } from '../hook-context.ts';

export interface AttemptContext extends HookContext {
  /** Null when nothing can be killed in this kernel. */
  readonly kill: KillPlaces | null;
  /** An attempt was seen whose particulars could not be read: it goes through undecided. */
  readonly onDoubt: (what: string) => void;
  /** A program that had been refused runs: it was killed before its first instruction, or could not be. */
  readonly onSlip: (killed: boolean) => void;
}

/** The process that attempts something, whichever task does it for it; null when it cannot be read. */
export function actorBehind({ space, processes }: AttemptContext, task: PhysicalAddress): Actor | null {
  return processes.read(taskBehind(space, task));
}
