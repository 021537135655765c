// Traces a guest: every program start, connection and listener as it happens, in order, by stopping the guest for a fraction of a
// millisecond at each. It can ask what is to become of an attempt before the guest's kernel carries it out.
//
// A tracer needs no monitor: whoever has one opens the stub (`openStub`) and hands over a `TraceTarget`, to another process even. While
// a trace is open, another process guards it (`Guardian`): whatever becomes of the tracer, the guest runs on.
import type { Clock } from '../../kit/clock.ts';
import { problem } from '../../kit/problem.ts';
import type { Problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { GdbClient, openGdb } from '../../protocols/gdb/gdb-client.ts';
import { listTasks } from '../guest/task-list.ts';
import { Ledger } from '../guest/ledger.ts';
import { AttemptDesk } from './attempt-desk.ts';
import type { Settled } from './attempt-desk.ts';
import { defaultBudget } from './budget.ts';
import type { TraceBudget } from './budget.ts';
import type { Guardian, Watch } from './guardian.ts';
import type { Hook } from './hook.ts';
import { KilledProcesses } from './killed-processes.ts';
import { LiveTrace } from './live-trace.ts';
import { chooseHooks, codePointsMax } from './point-set.ts';
import { ProcessReader } from './process-facts.ts';
import { StopLooker } from './stop-look.ts';
import { TraceJournal, tracedKinds } from './trace-journal.ts';
import type { Attempt, Decide, TracedKind, TraceLine, TraceSummary } from './trace-event.ts';
import { openTarget } from './trace-target.ts';
import type { OpenTarget, TraceTarget } from './trace-target.ts';
import type { HookContext, Technique } from './hooks/hook-context.ts';
import { observingHooks } from './hooks/observing-hooks.ts';

export interface TraceOptions {
  readonly clock: Clock;
  /** Null only where nobody depends on the guest. */
  readonly guardian: Guardian | null;
  /** Called in order, while the guest runs on; must not throw. */
  readonly onLine: (line: TraceLine) => void;
  /** Default all. Forks, ends and changes of user cost a stop each; the end of what was killed is told without. */
  readonly kinds?: readonly TracedKind[];
  /** Default by accelerator: data under emulation, code (hardware breakpoints) otherwise. */
  readonly technique?: Technique;
  readonly budget?: TraceBudget;
  /** With it, attempts are decided upon, and the guest's memory is opened for writing. */
  readonly decide?: Decide;
  /** Hooks that see attempts and can refuse them; used with `decide` only. */
  readonly attempts?: (context: HookContext) => readonly Hook[];
  /** How long a guest may be held for a person's answer. Default 60 000. */
  readonly holdMs?: number;
  /** What a hold becomes that nobody answered, in time or before the trace was closed. Default block. */
  readonly afterHold?: Settled;
  /** The guest stands until `release` or the deadline. */
  readonly onHeld?: (attempt: Attempt) => void;
}

export interface Coverage {
  readonly technique: Technique;
  /** Kinds of which every occurrence is reported. */
  readonly covered: readonly TracedKind[];
  /** Kinds asked for of which some or all are not, and why. */
  readonly notCovered: readonly { readonly kind: TracedKind; readonly why: string }[];
}

export interface Trace {
  readonly coverage: Coverage;
  /** Settles when the trace can go on no more by itself, with the reason; null after `close`. `close` it in either case. */
  readonly ended: Promise<Problem | null>;
  summary(): TraceSummary;
  /** Answers the attempt for which the guest is held; false when none is. */
  release(verdict: Settled): boolean;
  /**
   * From now on tells these kinds beside those it was opened for, and no longer those it was last asked for in this way: for somebody who
   * looks on for a while. With breakpoints none, since all are in use.
   */
  alsoTell(kinds: readonly TracedKind[]): Promise<Result<void>>;
  /**
   * Somebody with a monitor saw what the tracer cannot see: a reset, a snapshot loaded or taken, a pause. A line of loss says so,
   * and the guest is looked at for whether it still runs the same kernel: if not, the trace ends.
   */
  disturbed(reason: string): void;
  /** Takes every point out and lets the guest run; a problem when it was not seen to run afterwards. */
  close(): Promise<Result<void>>;
}

const holdMsDefault = 60_000;
const vcpusMax = 1_024;
const readsMax = 100_000;

export async function openTrace(target: TraceTarget, options: TraceOptions): Promise<Result<Trace>> {
  const opened = openTarget(target, options.decide !== undefined);
  if (!opened.ok) return opened;
  const connected = await connect(target, options.guardian);
  if (!connected.ok) {
    opened.value.close();
    return connected;
  }
  const { client, watch } = connected.value;
  const trace = await begin(target, options, opened.value, client, watch);
  if (trace.ok) return trace;
  await client.ask(['D']);
  client.destroy();
  await watch?.close();
  opened.value.close();
  return trace;
}

interface Connected {
  readonly client: GdbClient;
  readonly watch: Watch | null;
}

async function connect({ socketPath, qemuPid }: TraceTarget, guardian: Guardian | null): Promise<Result<Connected>> {
  if (guardian === null) {
    const opened = await openGdb(socketPath);
    return opened.ok ? ok({ client: opened.value.client, watch: null }) : opened;
  }
  const watched = await guardian.watch({ socketPath, qemuPid });
  if (!watched.ok) return watched;
  const watch = watched.value;
  const client = new GdbClient(watch.connection, socketPath);
  const described = await client.describe();
  if (described.ok) return ok({ client, watch });
  client.destroy();
  return described;
}

/** The guest stands from the connecting on, and runs when this is done. */
async function begin(
  target: TraceTarget,
  options: TraceOptions,
  opened: OpenTarget,
  client: GdbClient,
  watch: Watch | null,
): Promise<Result<Trace>> {
  const { clock, onLine } = options;
  watch?.beat();
  const threads = await listThreads(client);
  if (!threads.ok) return threads;
  const technique = options.technique ?? (target.accelerator === 'tcg' ? 'data' : 'code');
  const processes = new ProcessReader(opened.space);
  opened.space.pages.begin(readsMax);
  const kinds = new Set(options.kinds ?? tracedKinds);
  const context: HookContext = { space: opened.space, processes, technique, kinds };
  watch?.beat();
  const plan = planHooks(context, options);
  const journal = new TraceJournal(clock, onLine);
  const looker = new StopLooker(plan.hooks);
  const killed = new KilledProcesses({ pages: opened.space.pages, processes, looker, journal });
  const desk = options.decide === undefined ? null : new AttemptDesk(options.decide, journal, (who) => killed.add(who));
  learnRunning(opened, processes, watch);
  const parts = { client, target: opened, threads: threads.value, points: plan.points, looker, desk, journal, clock };
  const trace = new LiveTrace(parts, {
    watch,
    processes,
    killed,
    furtherHooks: (further) => planFurther(context, further),
    coverage: plan.coverage,
    budget: options.budget ?? defaultBudget,
    holdMs: options.holdMs ?? holdMsDefault,
    afterHold: options.afterHold ?? 'block',
    onHeld: options.onHeld ?? (() => {}),
  });
  const started = await trace.start();
  return started.ok ? ok(trace) : started;
}

interface Plan extends Pick<ReturnType<typeof chooseHooks>, 'hooks' | 'points'> {
  readonly coverage: Coverage;
}

function planHooks(context: HookContext, options: TraceOptions): Plan {
  const { kinds } = context;
  const attempts = options.decide === undefined ? [] : (options.attempts?.(context) ?? []);
  const tellers = attempts.flatMap((hook) => (hook.insteadOf === undefined ? [] : [{ kind: hook.insteadOf, hook }]));
  const observed = new Set([...kinds].filter((kind) => tellers.every((teller) => teller.kind !== kind)));
  const observing = observingHooks(context, observed);
  const chosen = chooseHooks([...attempts, ...observing.map(({ hook }) => hook)], codePointsMax);
  const notCovered = [...kinds].flatMap((kind) => {
    const own = [...tellers, ...observing].filter((one) => one.kind === kind).map(({ hook }) => hook);
    if (own.length === 0) return [{ kind, why: whyNone(kind, context.technique) }];
    const leftOut = own.filter((hook) => chosen.leftOut.includes(hook));
    const why = `at most ${codePointsMax} breakpoints: ${leftOut.map(({ name }) => name).join('; ')} left out`;
    return leftOut.length === 0 ? [] : [{ kind, why }];
  });
  const missing = new Set(notCovered.map(({ kind }) => kind));
  const covered = [...kinds].filter((kind) => !missing.has(kind));
  return { ...chosen, coverage: { technique: context.technique, covered, notCovered } };
}

/** Not with breakpoints, which are all in use. */
function planFurther(context: HookContext, kinds: readonly TracedKind[]): ReturnType<typeof chooseHooks> {
  const further = new Set(context.technique === 'code' ? [] : kinds.filter((kind) => !context.kinds.has(kind)));
  return chooseHooks(
    observingHooks(context, further).map(({ hook }) => hook),
    codePointsMax,
  );
}

function whyNone(kind: TracedKind, technique: Technique): string {
  const byBreakpoint = technique === 'code' && (kind === 'accept' || kind === 'module');
  return byBreakpoint ? 'cannot be seen by breakpoints' : 'this kernel lacks what it is seen by';
}

/** QEMU gives the numbers of its vCPUs one by one. */
async function listThreads(client: GdbClient): Promise<Result<readonly number[]>> {
  const threads: number[] = [];
  for (let word = 'qfThreadInfo'; threads.length < vcpusMax; word = 'qsThreadInfo') {
    const answer = await client.ask([word]);
    if (!answer.ok) return answer;
    const said = answer.value[0] ?? '';
    if (!said.startsWith('m')) break;
    for (const digits of said.slice(1).split(',')) threads.push(Number.parseInt(digits, 16));
  }
  const sound = threads.length > 0 && threads.every((thread) => Number.isSafeInteger(thread));
  return sound ? ok(threads) : fail(problem('failed', 'QEMU does not say which CPUs the guest has.'));
}

/** What runs already is remembered, so that its end can be told with its name. Takes a while where thousands of processes run. */
function learnRunning({ space }: OpenTarget, processes: ProcessReader, watch: Watch | null): void {
  for (const task of listTasks(space, new Ledger())) {
    if (space.pages.exhausted) return;
    processes.read(task);
    watch?.beat();
  }
}
