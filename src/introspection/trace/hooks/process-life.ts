// Programs started, processes forked and ended, identities changed: one variable of the kernel's (who listens to process events,
// CONFIG_PROC_EVENTS) is read at the top of a function for each, after the fact and with everything in place.
// Source: drivers/connector/cn_proc.c in Linux, 5.10 to 7.x.
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { FunctionName } from '../../kernel/kernel-profile.ts';
import type { Hook, Sighting, StopPoint, StoppedCpu } from '../hook.ts';
import type { RegisterName } from '../../../protocols/gdb/registers.ts';
import { fieldOf, inImage, objectIn, rangeOf, runsIn } from '../kernel-code.ts';
import type { CodeRange } from '../kernel-code.ts';
import { endKey } from '../killed-processes.ts';
import { hasEnded } from '../process-facts.ts';
import type { Actor, ProcessReader } from '../process-facts.ts';
import type { TracedKind } from '../trace-event.ts';
import type { HookContext } from './hook-context.ts';
import { plainEvent } from './hook-context.ts';

type LifeKind = 'exec' | 'fork' | 'exit' | 'setuid';

const functions: Readonly<Record<LifeKind, FunctionName>> = {
  exec: 'proc_exec_connector',
  fork: 'proc_fork_connector',
  exit: 'proc_exit_connector',
  setuid: 'proc_id_connector',
};

/** Read the same variable for moments that are not told. */
const otherReaders: readonly FunctionName[] = [
  'proc_sid_connector',
  'proc_comm_connector',
  'proc_ptrace_connector',
  'proc_coredump_connector',
];

/** Where a function's first argument is, or is kept once the register is needed. */
const firstArgument: readonly RegisterName[] = ['rdi', 'rbx', 'rbp', 'r12', 'r13', 'r14', 'r15'];

const lifeKinds = Object.keys(functions) as readonly LifeKind[];

/** One hook per kind that this kernel allows; all of them stop at the same variable. */
export function processLifeHooks(context: HookContext, kinds: ReadonlySet<TracedKind>): readonly Hook[] {
  return lifeKinds.filter((kind) => kinds.has(kind)).flatMap((kind) => lifeHook(context, kind) ?? []);
}

/** Where all that happens to processes passes, when data is watched; null where this kernel has no such place. */
export function lifePoint(space: KernelSpace): StopPoint | null {
  const listeners = fieldOf(space, 'proc_event_num_listeners', null);
  return listeners === null ? null : { on: 'data', at: listeners.address, sizeBytes: 4, access: 'any' };
}

function lifeHook({ space, processes, technique }: HookContext, kind: LifeKind): Hook | null {
  const code = space.codeOf(functions[kind]);
  const range = rangeOf(space, functions[kind]);
  const data = lifePoint(space);
  if (code === null || range === null || data === null) return null;
  const others = [...otherReaders, ...Object.values(functions)].map((name) => rangeOf(space, name));
  const point: StopPoint = technique === 'code' ? { on: 'code', at: inImage(space, code.start) } : data;
  return {
    name: kind,
    points: [point],
    recognise(_guest, cpu) {
      if (!caughtIn(range, cpu, technique)) return others.some((other) => runsIn(other, cpu)) ? 'nothing' : null;
      const actor = kind === 'exec' ? processes.readAnew(cpu.current) : processes.read(cpu.current);
      return actor === null ? null : sighted(kind, space, processes, actor, cpu);
    },
  };
}

/**
 * At a breakpoint only the entry itself counts: whoever is further in was let through before. After an access anywhere in the
 * function does, since a stop is told late, but not its entry.
 */
function caughtIn(range: CodeRange, cpu: StoppedCpu, technique: HookContext['technique']): boolean {
  if (!runsIn(range, cpu)) return false;
  return (cpu.registers.low('rip') === range.startLow) === (technique === 'code');
}

function sighted(
  kind: LifeKind,
  space: KernelSpace,
  processes: ProcessReader,
  actor: Actor,
  cpu: StoppedCpu,
): Sighting | 'nothing' {
  switch (kind) {
    case 'exec':
      return { key: `exec ${actor.facts.image}`, event: plainEvent('exec', actor) };
    case 'fork': {
      const child = childOf(space, processes, actor, cpu);
      if (child === null) return 'nothing';
      return { key: `fork ${child.process}`, event: { ...plainEvent('fork', actor), childPid: child.facts.pid } };
    }
    case 'exit':
      // The thread that ends is on its way out, and the first of them when nothing else can be told.
      return hasEnded(space, { task: actor.task, exiting: actor.task === actor.leader })
        ? { key: endKey(actor.process), event: plainEvent('exit', actor) }
        : 'nothing';
    case 'setuid': {
      const { facts } = actor;
      const key = `setuid ${actor.process} ${facts.pid} ${facts.uid} ${facts.euid}`;
      return { key, repeatable: true, event: plainEvent('setuid', actor) };
    }
  }
}

/** The process just made: null when it is a thread only. A task among the registers is the child when the forking one is its parent. */
function childOf(space: KernelSpace, processes: ProcessReader, actor: Actor, { registers }: StoppedCpu): Actor | null {
  const parent = space.profile.fields['task_struct.real_parent'];
  // A child made to be a sibling has its maker's parent.
  const parents = [actor.task, actor.leader, space.pointer(actor.leader + parent)];
  for (const name of firstArgument) {
    const task = objectIn(space, registers, name);
    if (task === nowhere || task === actor.task || !parents.includes(space.maybePointer(task + parent))) continue;
    const child = processes.readChild(task, actor);
    if (child === null || child.facts.startedAfterBootUs < actor.facts.startedAfterBootUs) continue;
    return child.facts.pid === child.facts.tgid ? child : null;
  }
  return null;
}
