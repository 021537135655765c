// Shows on this very host, with this very VM, what Plumbline's tracing stands on: that memory can be read, that data watchpoints
// and breakpoints stop the guest and let it run on, that an attempt can be refused. What a quiet guest could not show is said to
// be not shown, never passed.
import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../../kit/clock.ts';
import { problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Technique } from '../../introspection/trace/hooks/hook-context.ts';
import { attemptHooks } from '../../introspection/trace/hooks/attempts/attempt-hooks.ts';
import type { TracedEvent, TraceLine } from '../../introspection/trace/trace-event.ts';
import { openTrace, type TraceOptions } from '../../introspection/trace/tracer.ts';
import type { TraceTarget } from '../../introspection/trace/trace-target.ts';
import { WatchdogGuardian } from '../../introspection/trace/watchdog/watchdog-guardian.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import type { GuestSession, GuestSource } from '../watch/guest-source.ts';
import { findEntry, type LocalOptions, sourceOf } from '../local/local-views.ts';
import type { RosterEntry } from '../watch/roster.ts';

export interface SelftestStep {
  readonly what: string;
  /** not-shown = what it takes did not happen, or is not there on this host. */
  readonly outcome: 'holds' | 'fails' | 'not-shown';
  readonly says: string;
}

export interface SelftestOptions extends LocalOptions {
  /** Null = only what can be told without a VM. */
  readonly vm: string | null;
  /** A program somebody is to start inside the VM meanwhile, to be refused; null = nothing is refused. */
  readonly refuse: string | null;
  readonly stop: AbortSignal;
  readonly onStep: (step: SelftestStep) => void;
}

/** So long the guest is given to start a program or open a connection by itself. */
const patienceMs = 15_000;
const refusalPatienceMs = 60_000;
const settleMs = 1000;

export async function selftest(options: SelftestOptions): Promise<Result<readonly SelftestStep[]>> {
  const steps: SelftestStep[] = [];
  const say = (step: SelftestStep): void => {
    steps.push(step);
    options.onStep(step);
  };
  say(hostKvm());
  if (options.vm === null) return ok(steps);
  const source = sourceOf(options);
  const entry = findEntry(source, options.vm);
  if (!entry.ok) return entry;
  const monitor = await source.connect(entry.value.handle);
  if (!monitor.ok) return monitor;
  try {
    await ofVm({ entry: entry.value, source, monitor: monitor.value, options, say });
  } finally {
    monitor.value.close();
  }
  return ok(steps);
}

interface Subject {
  readonly entry: RosterEntry;
  readonly source: GuestSource;
  readonly monitor: Monitor;
  readonly options: SelftestOptions;
  readonly say: (step: SelftestStep) => void;
}

function hostKvm(): SelftestStep {
  const has = existsSync('/dev/kvm');
  const says = has
    ? 'this host has /dev/kvm'
    : 'this host has no /dev/kvm: what holds for hardware breakpoints cannot be shown here';
  return { what: 'KVM', outcome: has ? 'holds' : 'not-shown', says };
}

async function ofVm({ entry, source, monitor, options, say }: Subject): Promise<void> {
  const { handle } = entry;
  say({ what: 'accelerator', outcome: 'holds', says: `${handle.name} runs under ${handle.accelerator}` });
  const session = await source.attach(handle, monitor);
  if (!session.ok) return say({ what: 'sight', outcome: 'fails', says: sayProblem(session.error) });
  const swept = session.value.sweep();
  say(
    swept.ok
      ? { what: 'sight', outcome: 'holds', says: `${swept.value.tasks.length} tasks, ${session.value.identity.banner}` }
      : { what: 'sight', outcome: 'fails', says: sayProblem(swept.error) },
  );
  for (const technique of ['data', 'code'] as const)
    await traceBy(technique, { entry, source, monitor, options, say }, session.value);
  if (options.refuse !== null) await refuse(options.refuse, { entry, source, monitor, options, say }, session.value);
  session.value.close();
}

const names = { data: 'data watchpoints', code: 'breakpoints' } as const satisfies Record<Technique, string>;

/** Traces until the guest has done something, and looks whether the trace told of it and the guest ran on. */
async function traceBy(technique: Technique, subject: Subject, session: GuestSession): Promise<void> {
  const what = names[technique];
  const before = session.activity();
  const lines: TraceLine[] = [];
  const traced = await withTrace(subject, { technique, onLine: (line) => lines.push(line) }, async () => {
    await until(() => lines.some(({ kind }) => kind === 'exec' || kind === 'connect'), subject.options, patienceMs);
  });
  if (!traced.ok) return subject.say({ what, outcome: 'fails', says: sayProblem(traced.error) });
  const after = session.activity();
  const { stops, stolenMs } = traced.value;
  const told = lines.filter(({ kind }) => kind !== 'loss').length;
  const hasForked = after.forks !== before.forks;
  const ranOn = after.ticks > before.ticks;
  const cost = `${told} events, ${stops} stops, ${(stolenMs / Math.max(stops, 1)).toFixed(2)} ms each`;
  if (!ranOn) return subject.say({ what, outcome: 'fails', says: `the guest did not run on; ${cost}` });
  if (told > 0) return subject.say({ what, outcome: 'holds', says: cost });
  subject.say(
    hasForked
      ? { what, outcome: 'fails', says: `processes were started and none was told of; ${cost}` }
      : { what, outcome: 'not-shown', says: `the guest started nothing; do something in it meanwhile; ${cost}` },
  );
}

async function refuse(path: string, subject: Subject, session: GuestSession): Promise<void> {
  const what = 'refusal';
  let refused: TracedEvent | null = null;
  let ran = false;
  const missing: string[] = [];
  const onLine = (line: TraceLine): void => {
    if (line.kind !== 'exec' || line.exe !== path) return;
    if (line.verdict === 'block') refused = line;
    else ran = true;
  };
  const decide: TraceOptions['decide'] = ({ kind, exe }) => (kind === 'exec' && exe === path ? 'block' : 'allow');
  const attempts: TraceOptions['attempts'] = (context) => {
    const nothing = (): void => undefined;
    const made = attemptHooks(context, { kinds: new Set(['exec']), onDoubt: nothing, onSlip: () => (ran = true) });
    missing.push(...made.missing);
    return made.hooks;
  };
  const traced = await withTrace(subject, { onLine, decide, attempts }, async () => {
    await until(() => refused !== null || ran || missing.length > 0, subject.options, refusalPatienceMs);
    await wait(settleMs);
  });
  if (!traced.ok) return subject.say({ what, outcome: 'fails', says: sayProblem(traced.error) });
  if (missing.length > 0)
    return subject.say({ what, outcome: 'fails', says: 'this kernel does not let the start of a program be refused' });
  if (ran) return subject.say({ what, outcome: 'fails', says: `${path} ran although it was to be refused` });
  const alive = session.activity().ticks > 0;
  subject.say(
    refused === null || !alive
      ? { what, outcome: 'not-shown', says: `nobody started ${path} in the guest within a minute` }
      : { what, outcome: 'holds', says: `the start of ${path} was refused, and the guest runs on` },
  );
}

async function withTrace(
  { entry, source, monitor, options }: Subject,
  how: Partial<TraceOptions> & Pick<TraceOptions, 'onLine'>,
  work: () => Promise<void>,
): Promise<Result<{ stops: number; stolenMs: number }>> {
  const ground = await source.traceGround(entry.handle, monitor);
  if (!ground.ok) return ground;
  const guardian = new WatchdogGuardian();
  const { clock }: { readonly clock: Clock } = options;
  const trace = await openTrace(ground.value.target as TraceTarget, { clock, guardian, ...how });
  if (!trace.ok) {
    await ground.value.leave(false);
    return trace;
  }
  const disturbed = await Promise.race([work(), ground.value.mustLeave]);
  const { stops, stolenMs } = trace.value.summary();
  const closed = await trace.value.close();
  await ground.value.leave(closed.ok);
  if (disturbed !== undefined) return fail(problem('interrupted', `The trace was left: ${disturbed.why}.`));
  return closed.ok ? ok({ stops, stolenMs }) : closed;
}

async function until(holds: () => boolean, { stop, clock }: SelftestOptions, withinMs: number): Promise<void> {
  const deadline = clock.monotonic() + withinMs;
  while (!holds() && !stop.aborted && clock.monotonic() < deadline) await wait(20);
}
