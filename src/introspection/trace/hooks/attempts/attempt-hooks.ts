// The hooks that see attempts before the guest's kernel carries them out, so that they can be refused.
import { killPlaces } from '../../refuse/forced-kill.ts';
import type { Hook } from '../../hook.ts';
import type { Attempt } from '../../trace-event.ts';
import type { HookContext } from '../hook-context.ts';
import type { AttemptContext } from './attempt-context.ts';
import { execAttemptHook } from './exec-attempt.ts';
import { socketAttemptHook } from './socket-attempts.ts';

export type AttemptKind = Attempt['kind'];

export interface AttemptOptions extends Pick<AttemptContext, 'onDoubt' | 'onSlip'> {
  readonly kinds: ReadonlySet<AttemptKind>;
  /**
   * Ask about datagrams sent without connecting as well: they count as `connect`, once per socket and peer. Costs a stop for every
   * datagram sent. Not with breakpoints. Default false.
   */
  readonly datagrams?: boolean;
}

export interface AttemptHooks {
  readonly hooks: readonly Hook[];
  /** Kinds that were asked for and cannot be refused in this kernel. */
  readonly missing: readonly AttemptKind[];
  /** Whether processes can be killed in this kernel: what is refused is blocked either way. */
  readonly canKill: boolean;
}

export function attemptHooks(base: HookContext, options: AttemptOptions): AttemptHooks {
  const kill = killPlaces(base.space);
  const context: AttemptContext = { ...base, kill, onDoubt: options.onDoubt, onSlip: options.onSlip };
  const hooks: Hook[] = [];
  const missing: AttemptKind[] = [];
  for (const kind of options.kinds) {
    const hook = kind === 'exec' ? execAttemptHook(context) : socketAttemptHook(context, kind);
    if (hook === null) missing.push(kind);
    else hooks.push(hook);
  }
  if (options.datagrams === true && options.kinds.has('connect') && base.technique === 'data') {
    const hook = socketAttemptHook(context, 'send');
    if (hook !== null) hooks.push(hook);
  }
  return { hooks, missing, canKill: kill !== null };
}
