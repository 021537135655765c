// Measures on the network of VMs through their platform: on every network card, kept as wanted before they are put there, held to it
// by reading back, and wanted away until they are seen gone. What a platform has in force is its own memory; this is what is wanted.
import { isoTime } from '../../kit/clock.ts';
import { type Problem, problem, sayProblem } from '../../kit/problem.ts';
import { ok, type Result } from '../../kit/result.ts';
import type { NetworkMeasure, VmPort } from '../../model/network-measure.ts';
import type { ActOutcome } from '../../connectors/enforcement/enforcer.ts';
import type { MeasureOutcome } from '../../connectors/enforcement/network-enforcer.ts';
import { type PlatformVm, portOf } from '../../connectors/enforcement/platform.ts';
import { change, record } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { raiseGuard } from '../ingest/guard-events.ts';
import {
  forgetPlatformMeasure,
  type PlatformMeasure,
  platformMeasure,
  platformMeasures,
  savePlatformMeasure,
} from '../store/platform-measures.ts';
import { vmsOfPlatform } from '../store/platform-vms.ts';
import type { OpenPlatform } from './open-platforms.ts';

export interface MeasureCounts {
  readonly wanted: number;
  /** How often one was found missing and put back. */
  readonly putBack: number;
  /** How often one was found missing and could not be put back. */
  readonly notPutBack: number;
}

export interface PlatformMeasures {
  counts(): MeasureCounts;
  /** On every card of the VM, or on none. Never throws. */
  apply(place: MeasurePlace, key: string, measure: NetworkMeasure): Promise<ActOutcome>;
  /** Nothing to take away is `done`. Never throws. */
  lift(place: MeasurePlace, key: string): Promise<ActOutcome>;
  /** Reads back all that is wanted and puts back what is missing; takes away what is wanted away. */
  hold(): Promise<void>;
}

export interface MeasurePlace {
  /** Our id. */
  readonly vm: string;
  readonly sight: PlatformVm;
}

type MeasuringDesk = Pick<Desk, 'store' | 'clock' | 'log' | 'announcements' | 'newId' | 'closing'>;

const tellAgainMs = 600_000;

export function makePlatformMeasures({ name, platform }: OpenPlatform, desk: MeasuringDesk): PlatformMeasures {
  const turns = new Map<string, Promise<unknown>>();
  const told = new Map<string, number>();
  const counts = { wanted: 0, putBack: 0, notPutBack: 0 };

  /** Of one VM one thing after the other: what is being lifted must not be put back meanwhile. */
  const inTurn = <T>(vm: string, work: () => Promise<T>): Promise<T> => {
    const before = turns.get(vm) ?? Promise.resolve();
    const next = before.then(work, work);
    turns.set(vm, next);
    const forget = () => void (turns.get(vm) === next && turns.delete(vm));
    void next.then(forget, forget);
    return next;
  };

  async function applyNow({ vm, sight }: MeasurePlace, key: string, measure: NetworkMeasure): Promise<ActOutcome> {
    if (sight.cards.length === 0)
      return failed(
        problem('refused', `${name} knows no network card of ${sight.name}, so that nothing can be cut off.`),
      );
    const known = await find(vm, key);
    if (!known.ok) return failed(known.error);
    const ports = portsOf(sight, known.value);
    // Kept before it is done: a manager that dies in between finishes it when it is back. A capture is not begun again by itself.
    const wanted: PlatformMeasure = { vm, key, platform: name, measure, ports, lifting: false };
    const kept = measure.kind === 'capture' ? ok(null) : await keep(wanted);
    if (!kept.ok) return failed(kept.error);
    const network = platform.network(sight);
    const outcomes: MeasureOutcome[] = [];
    for (const port of ports) outcomes.push(await network.apply(port, key, measure));
    const sum = together(ports, outcomes);
    // Nobody knows what was done where nobody answered: it stays wanted until somebody says otherwise.
    if (sum.state !== 'failed' || sum.problem.kind === 'interrupted') return sum;
    // Not on one card and off another: what was done of it is taken back.
    for (const [index, port] of ports.entries())
      if (outcomes[index]?.changed === true) await network.release(port, key);
    await forget(vm, key);
    return sum;
  }

  async function liftNow({ vm, sight }: MeasurePlace, key: string): Promise<ActOutcome> {
    const known = await find(vm, key);
    if (!known.ok) return failed(known.error);
    // First it is no longer wanted, so that nobody puts it back in between; it is forgotten when it was seen gone.
    if (known.value !== null) {
      const kept = await keep({ ...known.value, lifting: true });
      if (!kept.ok) return failed(kept.error);
    }
    const ports = distinct([...(known.value?.ports ?? []), ...portsOf(sight, known.value)], sight);
    const network = platform.network(sight);
    const outcomes: MeasureOutcome[] = [];
    for (const port of ports) outcomes.push(await network.release(port, key));
    const sum = together(ports, outcomes);
    if (sum.state === 'done') await forget(vm, key);
    return sum;
  }

  async function holdNow(wanted: PlatformMeasure, sight: PlatformVm): Promise<void> {
    const { vm, key, measure } = wanted;
    // It may have been lifted while others were looked at.
    const now = await find(vm, key);
    if (!now.ok || now.value === null) return;
    if (now.value.lifting || hasEnded(measure, desk.clock.now())) {
      await liftNow({ vm, sight }, key);
      return;
    }
    const network = platform.network(sight);
    const ports = portsOf(sight, now.value);
    const outcomes: MeasureOutcome[] = [];
    for (const port of ports) outcomes.push(await network.apply(port, key, measure));
    if (outcomes.some(({ changed }) => changed)) await tellPutBack(wanted);
    const sum = together(ports, outcomes);
    // Where nobody answers nothing was found missing: that the platform is away is said of the platform.
    const isUnknown = sum.state === 'failed' && sum.problem.kind === 'interrupted';
    if (sum.state !== 'done' && !isUnknown) await tellMissing(wanted, sum.evidence);
    if (JSON.stringify(ports) !== JSON.stringify(now.value.ports)) await keep({ ...now.value, ports });
  }

  async function tellPutBack({ vm, key, measure }: PlatformMeasure): Promise<void> {
    counts.putBack += 1;
    desk.log.warn('measure was missing and was put back', { platform: name, vm, id: key, kind: measure.kind });
    const act = { by: `platform ${name}`, verb: 'measure.put-back', subject: key } as const;
    await record(desk, act, 'done', `${measure.kind} of ${vm} was missing and was put back`);
  }

  async function tellMissing({ vm, key, measure }: PlatformMeasure, why: string): Promise<void> {
    counts.notPutBack += 1;
    const nowMs = desk.clock.monotonic();
    if (nowMs - (told.get(`${vm} ${key}`) ?? Number.NEGATIVE_INFINITY) < tellAgainMs) return;
    told.set(`${vm} ${key}`, nowMs);
    await change(desk, { by: 'manager', verb: 'measure.hold', subject: key, silent: true }, async (turn) => {
      const said = `${measure.kind} ${key} is to be in force through platform ${name} and is not: ${why}`;
      const event = { vm, at: isoTime(desk.clock.now()), what: 'refusal-failed' } as const;
      const subject = `${measure.kind} ${key}`.slice(0, 256);
      await raiseGuard(desk, turn, { ...event, subject, detail: said.slice(0, 2000).toWellFormed() });
      return ok(null);
    });
  }

  async function hold(): Promise<void> {
    const read = await desk.store.read(async (db) => ({
      wanted: await platformMeasures(db, name),
      sights: new Map((await vmsOfPlatform(db, name)).map((one) => [one.vm, one.sight])),
    }));
    if (!read.ok) return desk.log.error('measures cannot be read', { why: sayProblem(read.error) });
    const { wanted, sights } = read.value;
    counts.wanted = wanted.filter(({ lifting }) => !lifting).length;
    for (const known of told.keys()) if (!wanted.some(({ vm, key }) => known === `${vm} ${key}`)) told.delete(known);
    for (const one of wanted) {
      if (desk.closing.aborted) return;
      const sight = sights.get(one.vm);
      // A VM that its platform lists no more has nothing that could be held.
      if (sight !== undefined) await inTurn(one.vm, async () => await holdNow(one, sight));
    }
  }

  const find = async (vm: string, key: string): Promise<Result<PlatformMeasure | null>> =>
    await desk.store.read(async (db) => await platformMeasure(db, vm, key));
  const write = async (work: Parameters<MeasuringDesk['store']['write']>[0]) => await desk.store.write(work);
  const keep = async (one: PlatformMeasure) =>
    await write(async (db) => {
      await savePlatformMeasure(db, one);
      return ok(null);
    });
  const forget = async (vm: string, key: string) =>
    await write(async (db) => {
      await forgetPlatformMeasure(db, vm, key);
      return ok(null);
    });

  return {
    counts: () => counts,
    apply: (place, key, measure) => inTurn(place.vm, async () => await applyNow(place, key, measure)),
    lift: (place, key) => inTurn(place.vm, async () => await liftNow(place, key)),
    hold,
  };
}

/** Every card as it is; one it was ordered for before, as it was then, since what was ordered is compared whole. */
function portsOf(sight: PlatformVm, known: PlatformMeasure | null): readonly VmPort[] {
  return sight.cards.map((card) => {
    const before = known?.ports.find((port) => port.interface === card.id && port.mac === card.mac.toLowerCase());
    return before ?? portOf(sight, card);
  });
}

/** One for each card that the VM still has; what was on a card goes with it. */
function distinct(ports: readonly VmPort[], sight: PlatformVm): readonly VmPort[] {
  const present = new Set(sight.cards.map(({ id }) => id));
  const byCard = new Map(ports.filter((port) => present.has(port.interface)).map((port) => [port.interface, port]));
  return [...byCard.values()];
}

/** The worst of them, with the evidence of all. */
function together(ports: readonly VmPort[], outcomes: readonly MeasureOutcome[]): ActOutcome {
  const evidence = outcomes
    .map((outcome, index) => `card ${ports[index]?.interface ?? '?'}: ${outcome.evidence}`)
    .join('; ')
    .slice(0, 4000);
  const refused = outcomes.flatMap((one) => (one.state === 'failed' ? [one.problem] : []));
  const [bad] = [...refused.filter(({ kind }) => kind !== 'interrupted'), ...refused];
  if (bad !== undefined) return { state: 'failed', evidence, problem: bad };
  const state = outcomes.some((one) => one.state === 'unconfirmed') ? 'unconfirmed' : 'done';
  return { state, evidence: evidence === '' ? 'the VM has no network card any more' : evidence };
}

function failed(why: Problem): ActOutcome {
  return { state: 'failed', evidence: sayProblem(why).slice(0, 4000), problem: why };
}

/** Where a platform ends nothing by itself, it is ended from here. */
function hasEnded(measure: NetworkMeasure, nowMs: number): boolean {
  return measure.kind === 'block-flow' && Date.parse(measure.expiresAt) <= nowMs;
}
