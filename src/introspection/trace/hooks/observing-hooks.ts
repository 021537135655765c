// All that is observed, in the order in which it matters where points are few: what starts, what it reaches, what it offers, what ends.
import type { Hook } from '../hook.ts';
import type { TracedKind } from '../trace-event.ts';
import { acceptedConnectionHook } from './accepted-connection.ts';
import type { HookContext } from './hook-context.ts';
import { loadedModuleHook } from './loaded-module.ts';
import { processLifeHooks } from './process-life.ts';
import { socketCallHooks } from './socket-calls.ts';
import { startedProgramHook } from './started-program.ts';

/** A hook with the kind it is for. */
export interface KindHook {
  readonly kind: TracedKind;
  readonly hook: Hook;
}

/** `connect` twice: that of streams matters more than that of datagrams. */
const order: readonly TracedKind[] = [
  'exec',
  'connect',
  'listen',
  'exit',
  'fork',
  'setuid',
  'accept',
  'bind',
  'module',
];

/** Kinds that this kernel does not allow, or this technique does not reach, have no hook. */
export function observingHooks(context: HookContext, kinds: ReadonlySet<TracedKind>): readonly KindHook[] {
  return order
    .filter((kind) => kinds.has(kind))
    .flatMap((kind) => hooksOf(context, kind).map((hook) => ({ kind, hook })));
}

function hooksOf(context: HookContext, kind: TracedKind): readonly Hook[] {
  switch (kind) {
    case 'exec': {
      const alone = startedProgramHook(context);
      return alone === null ? processLifeHooks(context, new Set([kind])) : [alone];
    }
    case 'fork':
    case 'exit':
    case 'setuid':
      return processLifeHooks(context, new Set([kind]));
    case 'connect':
    case 'listen':
    case 'bind':
      return socketCallHooks(context, new Set([kind]));
    case 'accept':
      return [acceptedConnectionHook(context)].filter((hook) => hook !== null);
    case 'module':
      return [loadedModuleHook(context)].filter((hook) => hook !== null);
  }
}
