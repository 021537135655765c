// Measures on the network of VMs through their platform: on every network card, kept as wanted before they are put there, held to it
// by reading back, and wanted away until they are seen gone. What a platform has in force is its own memory; this is what is wanted.
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
import { type StoredPlatformVm, vmsOfPlatform } from '../store/platform-vms.ts';
import type { OpenPlatform } from './open-platforms.ts';

export interface MeasureCounts {
  readonly wanted: number;
  /** How often one was found missing and put back. */
  readonly putBack: number;
  /** How often one was found missing and could not be put back. */
  readonly notPutBack: number;
}

export interface MeasurePlace {
  /** Our id. */
  readonly vm: string;
  readonly sight: PlatformVm;
}

type MeasuringDesk = Pick<Desk, 'store' | 'clock' | 'log' | 'announcements' | 'newId' | 'closing'>;

const tellAgainMs = 600_000;

export class PlatformMeasures {
  readonly #name: string;
  readonly #platform: OpenPlatform['platform'];
  readonly #desk: MeasuringDesk;
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #told = new Map<string, number>();
  readonly #counts = { wanted: 0, putBack: 0, notPutBack: 0 };

  constructor({ name, platform }: Pick<OpenPlatform, 'name' | 'platform'>, desk: MeasuringDesk) {
    this.#name = name;
    this.#platform = platform;
    this.#desk = desk;
  }

  counts(): MeasureCounts {
    return this.#counts;
  }

  /** On every card of the VM, or on none. Never throws. */
  apply({ vm, sight }: MeasurePlace, key: string, measure: NetworkMeasure): Promise<ActOutcome> {
    return this.#inTurn(vm, async () => {
      if (sight.cards.length === 0)
        return failed(
          problem('refused', `Platform ${this.#name} knows no network card of ${sight.name.slice(0, 200)}.`),
        );
      const known = await this.#find(vm, key);
      if (!known.ok) return failed(known.error);
      const ports = portsOf(sight, known.value);
      // Kept before it is done: a manager that dies in between finishes it when it is back. A capture is not begun again by itself.
      const wanted: PlatformMeasure = { vm, key, platform: this.#name, on: sight.id, measure, ports, lifting: false };
      const kept = measure.kind === 'capture' ? ok(null) : await this.#keep(wanted);
      if (!kept.ok) return failed(kept.error);
      const outcomes = await this.#applyOn(sight, ports, key, measure);
      const sum = together(ports, outcomes);
      // Nobody knows what was done where nobody answered: it stays wanted until somebody says otherwise.
      if (sum.state !== 'failed' || sum.problem.kind === 'interrupted') return sum;
      // Not on one card and off another: what was done of it is taken back.
      const network = this.#platform.network(sight);
      for (const [index, port] of ports.entries())
        if (outcomes[index]?.changed === true) await network.release(port, key);
      await this.#forget(vm, key);
      return sum;
    });
  }

  /** From where it was put; nothing to take away is `done`. Never throws. */
  lift(vm: string, key: string): Promise<ActOutcome> {
    return this.#inTurn(vm, async () => {
      const found = await this.#desk.store.read(async (db) => {
        const known = await platformMeasure(db, vm, key);
        return whereIs(vm, known, await vmsOfPlatform(db, this.#name));
      });
      if (!found.ok) return failed(found.error);
      if (found.value !== undefined) return await this.#liftNow({ vm, sight: found.value }, key);
      return failed(problem('not-found', `Platform ${this.#name} lists no VM ${vm} any more.`, 'Look there by hand.'));
    });
  }

  /** Reads back all that is wanted and puts back what is missing; takes away what is wanted away. */
  async hold(): Promise<void> {
    const read = await this.#desk.store.read(async (db) => ({
      wanted: await platformMeasures(db, this.#name),
      stored: await vmsOfPlatform(db, this.#name),
    }));
    if (!read.ok) return this.#desk.log.error('measures cannot be read', { why: sayProblem(read.error) });
    const { wanted, stored } = read.value;
    this.#counts.wanted = wanted.filter(({ lifting }) => !lifting).length;
    const names = new Set(wanted.map(({ vm, key }) => `${vm} ${key}`));
    for (const known of this.#told.keys()) if (!names.has(known)) this.#told.delete(known);
    for (const one of wanted) {
      if (this.#desk.closing.aborted) return;
      const sight = whereIs(one.vm, one, stored);
      // A VM that its platform lists no more has nothing that could be held.
      if (sight !== undefined) await this.#inTurn(one.vm, async () => await this.#holdNow(one, sight));
    }
  }

  async #liftNow({ vm, sight }: MeasurePlace, key: string): Promise<ActOutcome> {
    const known = await this.#find(vm, key);
    if (!known.ok) return failed(known.error);
    // First it is no longer wanted, so that nobody puts it back in between; it is forgotten when it was seen gone.
    if (known.value !== null) {
      const kept = await this.#keep({ ...known.value, lifting: true });
      if (!kept.ok) return failed(kept.error);
    }
    const ports = portsOf(sight, known.value);
    const network = this.#platform.network(sight);
    const outcomes: MeasureOutcome[] = [];
    for (const port of ports) outcomes.push(await network.release(port, key));
    const sum = together(ports, outcomes);
    if (sum.state === 'done') await this.#forget(vm, key);
    return sum;
  }

  async #holdNow({ vm, key }: PlatformMeasure, sight: PlatformVm): Promise<void> {
    // It may have been lifted while others were looked at.
    const now = await this.#find(vm, key);
    if (!now.ok || now.value === null) return;
    const wanted = now.value;
    if (wanted.lifting || hasEnded(wanted.measure, this.#desk.clock.now())) {
      await this.#liftNow({ vm, sight }, key);
      return;
    }
    const ports = portsOf(sight, wanted);
    const outcomes = await this.#applyOn(sight, ports, key, wanted.measure);
    if (outcomes.some(({ changed }) => changed)) await this.#tellPutBack(wanted);
    const sum = together(ports, outcomes);
    // Where nobody answers nothing was found missing: that the platform is away is said of the platform.
    const isUnknown = sum.state === 'failed' && sum.problem.kind === 'interrupted';
    if (sum.state !== 'done' && !isUnknown) await this.#tellMissing(wanted, sum.evidence);
    if (JSON.stringify(ports) !== JSON.stringify(wanted.ports)) await this.#keep({ ...wanted, ports });
  }

  async #applyOn(
    sight: PlatformVm,
    ports: readonly VmPort[],
    key: string,
    measure: NetworkMeasure,
  ): Promise<readonly MeasureOutcome[]> {
    const network = this.#platform.network(sight);
    const outcomes: MeasureOutcome[] = [];
    for (const port of ports) outcomes.push(await network.apply(port, key, measure));
    return outcomes;
  }

  async #tellPutBack({ vm, key, measure }: PlatformMeasure): Promise<void> {
    this.#counts.putBack += 1;
    const { log } = this.#desk;
    log.warn('measure was missing and was put back', { platform: this.#name, vm, id: key, kind: measure.kind });
    const act = { by: `platform ${this.#name}`, verb: 'measure.put-back', subject: key } as const;
    await record(this.#desk, act, 'done', `${measure.kind} of ${vm} was missing and was put back`);
  }

  async #tellMissing({ vm, key, measure }: PlatformMeasure, why: string): Promise<void> {
    this.#counts.notPutBack += 1;
    const nowMs = this.#desk.clock.monotonic();
    if (nowMs - (this.#told.get(`${vm} ${key}`) ?? Number.NEGATIVE_INFINITY) < tellAgainMs) return;
    this.#told.set(`${vm} ${key}`, nowMs);
    const act = { by: 'manager', verb: 'measure.hold', subject: key, silent: true } as const;
    const raised = await change(this.#desk, act, async (turn) => {
      const said = `${measure.kind} ${key} is to be in force through platform ${this.#name} and is not: ${why}`;
      const subject = `${measure.kind} ${key}`.slice(0, 256);
      const detail = said.slice(0, 2000).toWellFormed();
      return ok(await raiseGuard(this.#desk, turn, { vm, at: turn.at, what: 'refusal-failed', subject, detail }));
    });
    if (!raised.ok) this.#told.delete(`${vm} ${key}`);
  }

  async #find(vm: string, key: string): Promise<Result<PlatformMeasure | null>> {
    return await this.#desk.store.read(async (db) => await platformMeasure(db, vm, key));
  }

  async #keep(one: PlatformMeasure): Promise<Result<void>> {
    return await this.#desk.store.write(async (db) => ok(await savePlatformMeasure(db, one)));
  }

  async #forget(vm: string, key: string): Promise<Result<void>> {
    return await this.#desk.store.write(async (db) => ok(await forgetPlatformMeasure(db, vm, key)));
  }

  /** Of one VM one thing after the other: what is being lifted must not be put back meanwhile. */
  #inTurn<T>(vm: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(vm) ?? Promise.resolve();
    const next = before.then(work, work);
    this.#turns.set(vm, next);
    const forget = (): void => void (this.#turns.get(vm) === next && this.#turns.delete(vm));
    next.then(forget, forget);
    return next;
  }
}

/** By the platform's own id where a measure names it, so that a clone of the UUID frees nobody; else by ours. */
function whereIs(
  vm: string,
  known: PlatformMeasure | null,
  stored: readonly StoredPlatformVm[],
): PlatformVm | undefined {
  return (stored.find(({ sight }) => sight.id === known?.on) ?? stored.find((one) => one.vm === vm))?.sight;
}

/** Every card as it is; one it was ordered for before, as it was then, since what was ordered is compared whole. */
function portsOf(sight: PlatformVm, known: PlatformMeasure | null): readonly VmPort[] {
  return sight.cards.map((card) => {
    const before = known?.ports.find((port) => port.interface === card.id && port.mac === card.mac.toLowerCase());
    return before ?? portOf(sight, card);
  });
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
