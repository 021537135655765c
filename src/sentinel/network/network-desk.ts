// Carries out what is ordered about a VM on the network, on every port of it, and holds the switches to it: what should be in force is
// read back every few seconds, when the VM starts, and when a switch changes under it, and put back where it is missing.
import { isoTime, type Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { type Problem, problem, sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { ActOutcome } from '../../connectors/enforcement/enforcer.ts';
import { vmMark } from '../../connectors/enforcement/checked-order.ts';
import type { MeasureOutcome, NetworkEnforcer } from '../../connectors/enforcement/network-enforcer.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { NetworkMeasure, NetworkMeasureKind, Quarantine, VmPort } from '../../model/network-measure.ts';
import type { MeasureMemory, WantedMeasure } from './measure-memory.ts';
import type { PluggedPort } from './vm-ports.ts';

export interface NetworkDeskOptions {
  readonly memory: MeasureMemory;
  readonly clock: Clock;
  readonly log: Log;
  /** Where a VM is plugged in; a problem when it does not run here or cannot be asked. */
  readonly ports: (vm: string) => Promise<Result<readonly PluggedPort[]>>;
  /** Null = the switch of this port cannot be reached. */
  readonly enforcer: (port: PluggedPort) => NetworkEnforcer | null;
  readonly guard: (event: GuardEvent) => void;
  /** By which addresses the VM may be asked for, by its own word; asked when a quarantine is first ordered. Absent = none. */
  readonly claimed?: (vm: string, measure: Quarantine) => readonly string[];
  /** Ends what is over and is not in the memory; called in turn with all else. */
  readonly overdue?: () => Promise<void>;
}

export interface NetworkHealth {
  /** Measures that are to be in force. */
  readonly wanted: number;
  /** How often one was found missing and put back. */
  readonly putBack: number;
  /** How often one was found missing and could not be put back. */
  readonly notPutBack: number;
  /** Measures for VMs that had a device before the one that has it now, taken away. */
  readonly stale: number;
}

export interface NetworkAbility {
  readonly action: NetworkMeasureKind;
  readonly available: boolean;
  readonly why: string | null;
}

const kinds: readonly NetworkMeasureKind[] = ['quarantine', 'block-flow', 'capture', 'reroute'];
const tellAgainMs = 600_000;

export class NetworkDesk {
  readonly #options: NetworkDeskOptions;
  readonly #told = new Map<string, number>();
  readonly #counts = { putBack: 0, notPutBack: 0, stale: 0 };
  #wanted: number = 0;
  #last: Promise<unknown> = Promise.resolve();
  #again: Promise<void> | null = null;

  constructor(options: NetworkDeskOptions) {
    this.#options = options;
  }

  health(): NetworkHealth {
    return { wanted: this.#wanted, ...this.#counts };
  }

  /** What all of a VM's switches can do; one that cannot is the answer for the VM. */
  async abilities(vm: string): Promise<readonly NetworkAbility[]> {
    const plugged = await this.#pluggedIn(vm);
    if (!plugged.ok) return kinds.map((action) => ({ action, available: false, why: sayProblem(plugged.error) }));
    const all = await Promise.all(plugged.value.map(async ({ port, enforcer }) => enforcer.capabilities(port)));
    return kinds.map((action) => {
      const not = all.flat().find(({ measure, available }) => measure === action && !available);
      return { action, available: not === undefined, why: not?.why ?? null };
    });
  }

  /** Brings a measure into force on every port of the VM, and keeps it there. `id`: the remediation's. Never throws. */
  apply(vm: string, id: string, measure: NetworkMeasure): Promise<ActOutcome> {
    return this.#inTurn(async () => {
      const plugged = await this.#pluggedIn(vm);
      if (!plugged.ok) return failed(plugged.error);
      const wanted = this.#options.memory.all();
      if (!wanted.ok) return failed(wanted.error);
      // Tried once more under another id, it is the same thing: two of it would get in each other's way.
      const said = JSON.stringify(measure);
      const twin = wanted.value.find((one) => one.vm === vm && JSON.stringify(one.measure) === said);
      const as = twin?.as ?? id;
      // The switches know an order by all it says, this included: whatever the VM shows later, it stays the same order.
      const claimed = twin === undefined ? this.#claimedBy(vm, measure) : (twin.claimed ?? []);
      // Kept before it is done: whoever is ended in between finishes it when he is back.
      const kept = this.#keep({ vm, id, as, measure, claimed, ports: plugged.value.map(({ plug }) => plug) });
      if (!kept.ok) return failed(kept.error);
      if (twin !== undefined && twin.id !== id) this.#options.memory.remove(vm, twin.id);
      const outcomes: MeasureOutcome[] = [];
      for (const { port, enforcer } of plugged.value)
        outcomes.push(await enforcer.apply(withClaims(port, claimed), as, measure));
      const sum = together(outcomes);
      if (sum.state !== 'failed') return sum;
      // Not on one port and off another: what was done of it is taken back.
      this.#options.memory.remove(vm, id);
      for (const [index, { port, enforcer }] of plugged.value.entries())
        if (outcomes[index]?.changed === true) await enforcer.release(port, as);
      return sum;
    });
  }

  /** Takes a measure back wherever it was put. Never throws. */
  lift(vm: string, id: string): Promise<ActOutcome> {
    return this.#inTurn(async () => {
      const wanted = this.#options.memory.all();
      if (!wanted.ok) return failed(wanted.error);
      const kept = wanted.value.find((one) => one.vm === vm && one.id === id);
      const heir = wanted.value.find((one) => one.vm === vm && one.as === id && one.id !== id);
      if (heir !== undefined) return { state: 'done', evidence: `${heir.id} has taken its place, and is in force` };
      // First it is no longer wanted, so that nobody puts it back in between.
      const forgotten = this.#options.memory.remove(vm, id);
      if (!forgotten.ok) return failed(forgotten.error);
      const now = await this.#options.ports(vm);
      const ports = [...(kept?.ports ?? []), ...(now.ok ? now.value : [])];
      if (ports.length === 0 && !now.ok) return failed(now.error);
      const outcomes: MeasureOutcome[] = [];
      for (const plug of distinct(ports)) {
        const enforcer = this.#options.enforcer(plug);
        if (enforcer !== null) outcomes.push(await enforcer.release(plug.port, kept?.as ?? id));
      }
      return together(outcomes);
    });
  }

  /**
   * Holds the switches to what is wanted, on the ports where the VMs are now: of these VMs, or of all that are known. Calls that come
   * while one is under way are answered by one more.
   */
  reconcile(running: ReadonlySet<string>): Promise<void> {
    this.#again ??= this.#inTurn(async () => {
      this.#again = null;
      await this.#hold(running);
    });
    return this.#again;
  }

  /** Whether something is to be in force on a switch of that kind which is forgotten when the switch begins anew. */
  hasFlowsOn(kind: NonNullable<PluggedPort['by']>): boolean {
    const wanted = this.#options.memory.all();
    return (
      wanted.ok &&
      wanted.value.some(({ measure, ports }) => measure.kind !== 'reroute' && ports.some(({ by }) => by === kind))
    );
  }

  /** Resolves when nothing is being done any more. */
  async idle(): Promise<void> {
    await this.#last;
  }

  /** A VM has begun to run: whatever was ordered for another VM on its devices is taken away. False = it cannot be asked yet. */
  started(vm: string): Promise<boolean> {
    return this.#inTurn(async () => {
      // Where nothing was ordered there is nothing to take away, and the VM's monitor is left to others.
      const wanted = this.#options.memory.all();
      if (wanted.ok && wanted.value.length === 0) return true;
      const plugged = await this.#options.ports(vm);
      if (!plugged.ok) return false;
      const mark = vmMark(vm);
      for (const plug of plugged.value) {
        const { port } = plug;
        const enforcer = this.#options.enforcer(plug);
        const found = await enforcer?.inForce(port);
        for (const stale of found?.ok === true ? found.value.filter((one) => one.vm !== mark) : []) {
          await enforcer?.release(port, stale.id);
          this.#counts.stale += 1;
          this.#options.log.warn('measure of another VM taken away', { vm, interface: port.interface, id: stale.id });
        }
      }
      return true;
    });
  }

  async #hold(running: ReadonlySet<string>): Promise<void> {
    await this.#options.overdue?.();
    const wanted = this.#options.memory.all();
    if (!wanted.ok) {
      this.#options.log.error('measures cannot be read', { why: sayProblem(wanted.error) });
      return;
    }
    this.#wanted = wanted.value.length;
    for (const one of wanted.value) {
      if (hasEnded(one.measure, this.#options.clock.now())) await this.#end(one);
      else await this.#putBack(one, running.has(one.vm));
    }
  }

  async #putBack(wanted: WantedMeasure, isRunning: boolean): Promise<void> {
    const { vm, id, as, measure, claimed = [] } = wanted;
    const now = isRunning ? await this.#options.ports(vm) : null;
    // Until the VM can be asked, where it was plugged in last is where its device will be.
    const ports = now?.ok === true ? now.value : wanted.ports;
    let changed = false;
    for (const plug of ports) {
      const outcome = await this.#options.enforcer(plug)?.apply(withClaims(plug.port, claimed), as, measure);
      changed ||= outcome?.changed === true;
      if (outcome?.state === 'done') continue;
      // The device of a VM that is off is gone, and there is nothing to stop.
      if (isRunning) this.#tell(wanted, outcome?.evidence ?? plug.why ?? 'its switch cannot be reached');
    }
    if (now?.ok === true) await this.#leave(wanted, ports);
    if (changed) {
      this.#counts.putBack += 1;
      this.#options.log.warn('measure was missing and was put back', { vm, id, kind: measure.kind });
    }
    if (now?.ok === true && JSON.stringify(ports) !== JSON.stringify(wanted.ports)) this.#keep({ ...wanted, ports });
  }

  #claimedBy(vm: string, measure: NetworkMeasure): readonly string[] {
    return measure.kind === 'quarantine' ? (this.#options.claimed?.(vm, measure) ?? []) : [];
  }

  /** Where another enforcer acts on a device by now, what the one before it put there would never be lifted. */
  async #leave({ ports, as }: WantedMeasure, now: readonly PluggedPort[]): Promise<void> {
    for (const plug of ports) {
      const heir = now.find(({ port }) => port.interface === plug.port.interface);
      if (heir !== undefined && heir.by !== plug.by) await this.#options.enforcer(plug)?.release(plug.port, as);
    }
  }

  /** The switch has ended it by itself; what is left of it there does nothing. */
  async #end({ vm, id, as, ports }: WantedMeasure): Promise<void> {
    for (const plug of ports) await this.#options.enforcer(plug)?.release(plug.port, as);
    this.#options.memory.remove(vm, id);
  }

  #tell({ vm, id, measure }: WantedMeasure, why: string): void {
    this.#counts.notPutBack += 1;
    const nowMs = this.#options.clock.monotonic();
    if (nowMs - (this.#told.get(`${vm} ${id}`) ?? Number.NEGATIVE_INFINITY) < tellAgainMs) return;
    this.#told.set(`${vm} ${id}`, nowMs);
    this.#options.guard({
      vm,
      at: isoTime(this.#options.clock.now()),
      what: 'refusal-failed',
      subject: `${measure.kind} ${id}`.slice(0, 256),
      detail: `${measure.kind} ${id} is to be in force on its network and is not: ${why}`.slice(0, 2000),
    });
  }

  /** A capture is over when we are, and is not begun again by itself. */
  #keep(wanted: WantedMeasure): Result<void> {
    if (wanted.measure.kind === 'capture') return { ok: true, value: undefined };
    return this.#options.memory.put(wanted, this.#options.clock.now());
  }

  /** Every port of the VM with its enforcer; a problem when one of its ways out can be told nothing. */
  async #pluggedIn(
    vm: string,
  ): Promise<Result<readonly { plug: PluggedPort; port: PluggedPort['port']; enforcer: NetworkEnforcer }[]>> {
    const plugs = await this.#options.ports(vm);
    if (!plugs.ok) return plugs;
    const open = plugs.value.find(({ why }) => why !== null);
    if (open !== undefined)
      return { ok: false, error: problem('refused', `VM ${vm} has another way out: ${open.why}.`) };
    const ports = plugs.value.flatMap((plug) => {
      const enforcer = this.#options.enforcer(plug);
      return enforcer === null ? [] : [{ plug, port: plug.port, enforcer }];
    });
    if (ports.length === 0) return { ok: false, error: problem('refused', `VM ${vm} is on no network of this host.`) };
    return { ok: true, value: ports };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work, work);
    this.#last = next;
    return next;
  }
}

/** The worst of them, with the evidence of all. */
function together(outcomes: readonly MeasureOutcome[]): ActOutcome {
  const evidence = outcomes
    .map((outcome) => outcome.evidence)
    .join('; ')
    .slice(0, 4000);
  const bad = outcomes.find(({ state }) => state === 'failed');
  if (bad?.state === 'failed') return { state: 'failed', evidence, problem: bad.problem };
  return { state: outcomes.some(({ state }) => state === 'unconfirmed') ? 'unconfirmed' : 'done', evidence };
}

function failed(why: Problem): ActOutcome {
  return { state: 'failed', evidence: sayProblem(why).slice(0, 4000), problem: why };
}

function hasEnded(measure: NetworkMeasure, nowMs: number): boolean {
  return measure.kind === 'block-flow' && Date.parse(measure.expiresAt) <= nowMs;
}

function withClaims(port: VmPort, claimed: readonly string[]): VmPort {
  return claimed.length === 0 ? port : { ...port, claimed: [...claimed] };
}

function distinct(ports: readonly PluggedPort[]): readonly PluggedPort[] {
  return [...new Map(ports.map((plug) => [`${plug.by} ${plug.namespacePid} ${plug.port.interface}`, plug])).values()];
}
