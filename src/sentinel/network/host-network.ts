// The network of this host's VMs, put together: where each is plugged in, the switches, what is ordered about it, and who notices when
// a switch or a VM has begun anew.
import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { type Problem, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { ActOutcome } from '../../connectors/enforcement/enforcer.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { Quarantine } from '../../model/network-measure.ts';
import type { Ability } from '../../model/plan.ts';
import type { Step } from '../../model/remediation.ts';
import type { Database } from '../database.ts';
import type { HostEvidence } from '../evidence/host-evidence.ts';
import type { VmWatch } from '../watch/vm-watch.ts';
import type { BridgeEnforcer, LibvirtGuest } from './bridge-enforcer.ts';
import { claimedAddresses } from './claimed-addresses.ts';
import { LinkDesk } from './link-desk.ts';
import { LinkMemory } from './link-memory.ts';
import { MeasureMemory } from './measure-memory.ts';
import { NetworkDesk, type NetworkHealth } from './network-desk.ts';
import { NetworkSwitches } from './network-switches.ts';
import { OverdueBlocks } from './overdue-blocks.ts';
import { SwitchWatch } from './switch-watch.ts';
import { vmPorts, type PluggedPort } from './vm-ports.ts';
import { measureKey } from '../../stages/respond/steps.ts';

/** One run of a VM. */
type RunningVm = Pick<VmWatch, 'entry' | 'monitor' | 'enforcer'>;

export interface HostNetworkOptions {
  readonly database: Database;
  /** Told of what was captured, or could not be kept. */
  readonly evidence: Pick<HostEvidence, 'captured' | 'captureLost'>;
  /** For what is collected. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly guard: (event: GuardEvent) => void;
  readonly watch: (vm: string) => RunningVm | undefined;
  /** Addresses that a VM was seen to use, which is its own word; those on the wire first. Absent = not looked at. */
  readonly claims?: (vm: string) => readonly string[];
  /** Where Open vSwitch's database listens; default /run/openvswitch/db.sock. */
  readonly ovsDatabase?: string;
  /** Who is to act on Linux bridges; default: nftables, or libvirt's filters for its VMs where nftables cannot be used. */
  readonly bridgeEnforcer?: BridgeEnforcer;
}

const readBackEveryMs = 5000;
/** A VM's monitor comes up some moments after its process. */
const startTries = 20;
const startTryEveryMs = 250;

export class HostNetwork {
  readonly #options: HostNetworkOptions;
  readonly #desk: NetworkDesk;
  readonly #links: LinkDesk;
  readonly #switches: NetworkSwitches;
  readonly #watch: SwitchWatch;
  readonly #overdue: OverdueBlocks;
  #runs: ReadonlySet<string> = new Set();
  #vms: ReadonlySet<string> = new Set();
  /** Sockets of the libvirts whose VMs run here. */
  #libvirts: ReadonlySet<string> = new Set();
  #readBackAtMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: HostNetworkOptions) {
    const { clock, log, database, guard } = options;
    this.#options = options;
    this.#overdue = new OverdueBlocks(clock, log);
    this.#switches = new NetworkSwitches({
      patience: { clock, sleep: (ms) => wait(ms) },
      evidence: options.directory,
      ovsDatabase: this.#ovsDatabase,
      captured: (file) => options.evidence.captured(file),
      lost: (id, why) => options.evidence.captureLost(id, why),
    });
    this.#desk = new NetworkDesk({
      memory: new MeasureMemory(database),
      clock,
      log,
      ports: (vm) => this.#ports(vm),
      enforcer: (port) => this.#switches.of(port),
      guard,
      claimed: (vm, measure) => this.#claimed(vm, measure),
      overdue: () => this.#overdue.end(this.#libvirts),
    });
    this.#links = new LinkDesk({
      memory: new LinkMemory(database),
      clock,
      log,
      guard,
      enforcer: async (vm) => {
        const enforcer = (await options.watch(vm)?.enforcer()) ?? null;
        return enforcer === null ? fail(notHere(vm)) : ok(enforcer);
      },
    });
    // Where the VMs were plugged in last is asked nobody: a switch that has begun anew is open until it is told.
    this.#watch = new SwitchWatch(this.#ovsDatabase, {
      changed: () => this.#desk.reconcile(new Set()),
      isNeeded: () => this.#desk.hasFlowsOn('openvswitch'),
      log,
    });
  }

  health(): NetworkHealth & { readonly linksCutAgain: number } {
    return { ...this.#desk.health(), linksCutAgain: this.#links.cutAgain };
  }

  abilities(vm: string): Promise<readonly Ability[]> {
    return this.#desk.abilities(vm);
  }

  /** Carries out a step about the VM's network; null when it is none. */
  async act(step: Step): Promise<ActOutcome | null> {
    const { vm, measure, lifts } = step;
    if (measure !== undefined && measure.kind === step.action) return this.#desk.apply(vm, measureKey(step), measure);
    if (step.action === 'lift' && lifts !== undefined) return this.#desk.lift(vm, lifts);
    return await this.#links.act(step);
  }

  /** Called often: notices VMs that have begun to run at once, and holds the switches to what is wanted every few seconds. */
  reconcile(watches: readonly RunningVm[]): void {
    const known = this.#runs;
    this.#runs = new Set(watches.map((watch) => watch.entry.run));
    this.#vms = new Set(watches.map((watch) => watch.entry.id));
    this.#libvirts = new Set(watches.flatMap((watch) => libvirtOf(watch)?.socket ?? []));
    const begun = watches.filter((watch) => !known.has(watch.entry.run));
    for (const watch of begun) void this.#begun(watch);
    const nowMs = this.#options.clock.monotonic();
    if (nowMs - this.#readBackAtMs < readBackEveryMs) return;
    this.#readBackAtMs = nowMs;
    void this.#watch.attend();
    void this.#desk.reconcile(this.#vms);
    void this.#links.reconcile(this.#vms);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#watch.close();
    await this.#switches.close();
    await this.#desk.idle();
    await this.#links.idle();
  }

  /** Its devices may have been another VM's, its own may have other names than before, and its links are up. */
  async #begun(watch: RunningVm): Promise<void> {
    const { id } = watch.entry;
    await Promise.all([
      this.#tryWhileRunning(watch, () => this.#links.started(id)),
      this.#tryWhileRunning(watch, () => this.#desk.started(id)).then((done) => {
        if (done) void this.#desk.reconcile(this.#vms);
      }),
    ]);
  }

  async #tryWhileRunning(watch: RunningVm, work: () => Promise<boolean>): Promise<boolean> {
    for (let tries = 0; tries < startTries && this.#runs.has(watch.entry.run) && !this.#closed; tries += 1) {
      if (await work()) return true;
      await wait(startTryEveryMs);
    }
    return false;
  }

  get #ovsDatabase(): string {
    return this.#options.ovsDatabase ?? '/run/openvswitch/db.sock';
  }

  #claimed(vm: string, measure: Quarantine): readonly string[] {
    const { claims = () => [] } = this.#options;
    const others = [...this.#vms].filter((other) => other !== vm).flatMap((other) => claims(other));
    return claimedAddresses({ own: claims(vm), others }, measure);
  }

  async #ports(vm: string): Promise<Result<readonly PluggedPort[]>> {
    const watch = this.#options.watch(vm);
    const monitor: Monitor | null = (await watch?.monitor()) ?? null;
    if (watch === undefined || monitor === null) return fail(notHere(vm));
    const { pid } = watch.entry.handle;
    const libvirt = libvirtOf(watch);
    const asked = this.#options.bridgeEnforcer ?? null;
    // None is known for certain: by what a guest claims, nothing that it sends is let through or kept back.
    return vmPorts({ vm, pid, monitor, addresses: [], ovsDatabase: this.#ovsDatabase, libvirt, asked });
  }
}

function libvirtOf({ entry }: RunningVm): LibvirtGuest | null {
  const { monitor } = entry.handle;
  return monitor.kind === 'libvirt' ? { socket: monitor.socket, uuid: monitor.uuid } : null;
}

function notHere(vm: string): Problem {
  return problem('not-found', `VM ${vm} does not run here, or its monitor cannot be reached.`);
}
