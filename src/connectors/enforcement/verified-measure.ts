// How a measure is carried out, whatever the switch: read, act when it is not so already, read back until it is so or the deadline
// has passed. A switch's own commands come in as `SwitchControl`. Orders to one switch wait for each other.
import { type Problem, problem, sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { NetworkMeasureKind } from '../../model/network-measure.ts';
import { checkId, checkOrder, checkPort, type CheckedOrder, type CheckedPort } from './checked-order.ts';
import type { MeasureInForce, MeasureOutcome, NetworkEnforcer } from './network-enforcer.ts';
import type { PortCapture } from './port-capture.ts';
import type { Patience } from './verified-action.ts';

/** As a switch shows it; `digest` of the order it was made from. */
export interface FoundMeasure extends MeasureInForce {
  readonly digest: string;
  /** What it did so far, in a person's words. */
  readonly words: string;
}

/** How long reading back may take to show what was ordered, before the answer is `unconfirmed`, and how long between two readings. */
export interface Pace {
  readonly deadlineMs: number;
  readonly readEveryMs: number;
}

/** One switch's commands. Each may be accepted without having happened yet. */
export interface SwitchControl {
  readonly backend: string;
  /** Measures that this kind of switch cannot take at all, and why. */
  readonly unable?: Partial<Readonly<Record<NetworkMeasureKind, Problem>>>;
  /** How long it may take to show what was ordered, where that is not at once. */
  readonly pace?: Pace;
  /** What stands in the way of anything at all on this port; null = nothing. */
  obstacle(port: CheckedPort): Promise<Problem | null>;
  /** What stands in the way of moving the port behind that bridge; null = nothing. */
  rerouteObstacle(port: CheckedPort, through: string): Promise<Problem | null>;
  /** All of ours on this interface. */
  read(port: CheckedPort): Promise<Result<readonly FoundMeasure[]>>;
  /** Puts it there whole, in place of what may be left of it. Just before, `read` was asked about the same port. */
  put(order: CheckedOrder): Promise<Result<void>>;
  /** Takes away all that the id put on the interface, for whichever VM. Just before, `read` was asked about the same port. */
  take(port: CheckedPort, id: string): Promise<Result<void>>;
  /** Where a switch goes on for a while as it decided before: makes it forget that. Asked for when all reads as it was ordered. */
  settle?(): Promise<Result<void>>;
}

const usualPace: Pace = { deadlineMs: 3000, readEveryMs: 25 };
const kinds: readonly NetworkMeasureKind[] = ['quarantine', 'block-flow', 'capture', 'reroute'];
const measuresPerPortMax = 256;

export function verifiedNetworkEnforcer(
  control: SwitchControl,
  capture: PortCapture | null,
  patience: Patience,
): NetworkEnforcer {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work);
    last = next;
    return next;
  };
  return {
    backend: control.backend,
    async capabilities(port) {
      const checked = checkPort(port);
      const obstacle = checked.ok ? await control.obstacle(checked.value) : checked.error;
      const toCapture =
        checked.ok && capture?.obstacle !== undefined ? await capture.obstacle(checked.value) : obstacle;
      return kinds.map((measure) => {
        const without = measure !== 'capture' ? obstacle : capture === null ? noCapture : toCapture;
        const own = control.unable?.[measure] ?? without;
        return { measure, available: own === null, why: own === null ? null : sayProblem(own) };
      });
    },
    async apply(port, id, measure) {
      const order = checkOrder(port, id, measure, patience.clock.now());
      if (!order.ok) return failed(order.error);
      const unable = control.unable?.[measure.kind];
      if (unable !== undefined) return failed(unable);
      if (isCapture(order.value)) return capture === null ? failed(noCapture) : capture.start(order.value);
      return inTurn(() => applyOnce(control, order.value, patience));
    },
    async release(port, id) {
      const checked = checkPort(port);
      if (!checked.ok) return failed(checked.error);
      const checkedId = checkId(id);
      if (!checkedId.ok) return failed(checkedId.error);
      if (capture?.has(id, checked.value) === true) return capture.stop(id, checked.value);
      return inTurn(() => releaseOnce(control, checked.value, id, patience));
    },
    async inForce(port) {
      const checked = checkPort(port);
      if (!checked.ok) return checked;
      const found = await inTurn(() => control.read(checked.value));
      if (!found.ok) return found;
      const captured = capture?.running(checked.value) ?? [];
      const measures = found.value.map(({ id, kind, vm, missing, endsInMs }) => ({ id, kind, vm, missing, endsInMs }));
      return { ok: true, value: [...measures, ...captured] };
    },
  };
}

const noCapture = problem('refused', 'Packets cannot be captured: no directory for evidence was given.');

function isCapture(order: CheckedOrder): order is CheckedOrder<Extract<CheckedOrder['measure'], { kind: 'capture' }>> {
  return order.measure.kind === 'capture';
}

async function applyOnce(control: SwitchControl, order: CheckedOrder, patience: Patience): Promise<MeasureOutcome> {
  const [obstacle, before] = await Promise.all([control.obstacle(order.port), control.read(order.port)]);
  if (obstacle !== null) return failed(obstacle);
  if (!before.ok) return failed(before.error);
  const own = before.value.find((found) => isOf(order, found));
  if (own !== undefined && own.missing === null)
    return { state: 'done', changed: false, evidence: `already so: ${own.words}`.slice(0, 4000) };
  const conflict = await conflictOf(control, order, before.value);
  if (conflict !== null) return failed(conflict);
  const put = await control.put(order);
  const { found, words } = await readUntil(control, order.port, patience, put.ok, (measures) => {
    const it = measures.find((measure) => isOf(order, measure));
    return it === undefined ? 'nothing of it is there' : it.missing;
  });
  if (found !== null) {
    const mine = found.find((measure) => isOf(order, measure));
    return { state: 'done', changed: true, evidence: (mine?.words ?? '').slice(0, 4000) };
  }
  // One that did not answer may have done it, or may do it yet.
  if (!put.ok && put.error.kind !== 'interrupted') return failed(put.error);
  return { state: 'unconfirmed', changed: true, evidence: `was not seen within ${waited(control)} ms: ${words}` };
}

async function releaseOnce(
  control: SwitchControl,
  port: CheckedPort,
  id: string,
  patience: Patience,
): Promise<MeasureOutcome> {
  const before = await control.read(port);
  if (!before.ok) return failed(before.error);
  const held = before.value.filter((found) => found.id === id);
  if (held.length === 0)
    return { state: 'done', changed: false, evidence: `nothing of ${id} is in force on ${port.interface}` };
  const taken = await control.take(port, id);
  const { found, words } = await readUntil(control, port, patience, taken.ok, (measures) =>
    measures.some((measure) => measure.id === id) ? 'it is still there' : null,
  );
  const did = held.map((measure) => measure.words).join('; ');
  if (found !== null) return { state: 'done', changed: true, evidence: `released; ${did}`.slice(0, 4000) };
  if (!taken.ok && taken.error.kind !== 'interrupted') return failed(taken.error);
  return {
    state: 'unconfirmed',
    changed: true,
    evidence: `was not seen released within ${waited(control)} ms: ${words}`,
  };
}

/** One quarantine and one way of a port at a time: of two, the one would open what the other closed. */
async function conflictOf(
  control: SwitchControl,
  { id, port, measure }: CheckedOrder,
  found: readonly FoundMeasure[],
): Promise<Problem | null> {
  const others = found.filter((other) => other.id !== id && other.vm === port.vm);
  if (others.length >= measuresPerPortMax)
    return problem('refused', `${port.interface} has ${others.length} measures in force, which is the most.`);
  const stale = found.find((other) => other.vm !== port.vm);
  if (stale !== undefined)
    return problem(
      'refused',
      `${port.interface} still carries ${stale.id}, which was ordered for another VM.`,
      'Release that first.',
    );
  if (measure.kind === 'block-flow') return null;
  // A move takes the port out of reach of what was put on its old bridge.
  const inTheWay = others.find((other) => other.kind === measure.kind || measure.kind === 'reroute');
  if (inTheWay !== undefined)
    return problem(
      'refused',
      `${measure.kind} of ${port.interface} is refused: ${inTheWay.kind} ${inTheWay.id} is in force there.`,
      'Release that first.',
    );
  return measure.kind === 'reroute' ? await control.rerouteObstacle(port, measure.through) : null;
}

function isOf({ id, port, digest }: CheckedOrder, found: FoundMeasure): boolean {
  return found.id === id && found.vm === port.vm && found.digest === digest;
}

/** `wrong`: what is not as it should be; null = all is. */
async function readUntil(
  control: SwitchControl,
  port: CheckedPort,
  { clock, sleep }: Patience,
  isWorthWaiting: boolean,
  wrong: (found: readonly FoundMeasure[]) => string | null,
): Promise<{ readonly found: readonly FoundMeasure[] | null; readonly words: string }> {
  const { deadlineMs, readEveryMs } = control.pace ?? usualPace;
  const deadline = clock.monotonic() + (isWorthWaiting ? deadlineMs : 0);
  for (;;) {
    const read = await control.read(port);
    let words = read.ok ? wrong(read.value) : sayProblem(read.error);
    if (read.ok && words === null) {
      const settled = await control.settle?.();
      if (settled === undefined || settled.ok) return { found: read.value, words: '' };
      words = sayProblem(settled.error);
    }
    if (clock.monotonic() >= deadline) return { found: null, words: (words ?? '').slice(0, 2000) };
    await sleep(readEveryMs);
  }
}

function waited({ pace = usualPace }: SwitchControl): number {
  return pace.deadlineMs;
}

function failed(why: Problem): MeasureOutcome {
  return { state: 'failed', changed: false, evidence: sayProblem(why).slice(0, 4000), problem: why };
}
