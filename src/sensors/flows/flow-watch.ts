// The connections of this host's VMs, seen outside them: from Open vSwitch where a VM is on it, from its own tap elsewhere, with
// counts by the host's connection tracking where that is asked for. Use:
//
//   const flows = new FlowWatch({ vms: () => [{ vm, pid }], clock, listener: { opened, ended, lost } });
//   await flows.start();       // finds the devices, listens, and keeps up with VMs that come and go
//   flows.open(vm);            // what goes on now, with when the guest itself was seen to speak
//   flows.health();            // what is covered and by what, and everything that was lost or left out
//   await flows.stop();        // ends all with `stopped` and takes back what was set in the switch
//
// Needs root (or CAP_NET_RAW and CAP_NET_ADMIN), tcpdump and iproute2. Sees nothing inside the guest and judges nothing.
import { readlinkSync } from 'node:fs';
import { isoTime, type Clock } from '../../kit/clock.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import { addTrackingRule, removeTrackingRule } from './conntrack-rule.ts';
import { ConntrackSource } from './conntrack-source.ts';
import { FlowTable, type TableHealth } from './flow-table.ts';
import type { FlowLoss, FlowSource, LiveFlow, SeenFlow } from './flow-record.ts';
import { FrameIntake, type IntakeHealth } from './frame-intake.ts';
import { readLinks, type HostLink } from '../../protocols/iproute/host-links.ts';
import { switchDaemonPid } from '../../protocols/ovsdb/switch-daemon.ts';
import { chooseListeningPoints, type Coverage, type PluggedVm, type VmOnHost } from './listening-points.ts';
import { NameTable } from './name-table.ts';
import { readBridges, type OvsBridge } from './ovs-database.ts';
import { takeBackExports, type Exported } from './ovs-export.ts';
import { SwitchSource } from './switch-source.ts';
import { TapSource, type TapTarget } from './tap-source.ts';
import { VmDirectory } from './vm-directory.ts';
import { interfacesOf } from './vm-interfaces.ts';

export interface FlowWatchOptions {
  /** The VMs to be watched, asked for every few seconds. */
  readonly vms: () => readonly VmOnHost[];
  readonly clock: Clock;
  readonly listener: {
    opened(flow: SeenFlow): void;
    ended(flow: SeenFlow): void;
    lost(loss: FlowLoss): void;
  };
  /** Who counts on Linux bridges: the tap (default; exact and at once) or the host's connection tracking (cheaper, late). */
  readonly bridges?: 'tap' | 'conntrack';
  /** Where Open vSwitch's database listens; default /run/openvswitch/db.sock. */
  readonly ovsDatabase?: string;
  readonly flowsMax?: number;
}

export interface FlowHealth {
  readonly coverage: readonly Coverage[];
  readonly table: TableHealth;
  readonly intake: IntakeHealth;
  /** Losses told so far, and what is known to be missing, by source. */
  readonly losses: Readonly<Partial<Record<FlowSource, { readonly times: number; readonly missed: number }>>>;
  /** What does not work, in words; empty on a good day. */
  readonly problems: readonly string[];
}

const refreshEveryMs = 2000;
const expireEveryMs = 500;
const countEveryMs = 3000;
/** A tap that cannot be captured is tried again after so long. */
const retryTapMs = 10_000;
const problemsMax = 32;

export class FlowWatch {
  readonly #options: FlowWatchOptions;
  readonly #names = new NameTable();
  readonly #directory = new VmDirectory();
  readonly #table: FlowTable;
  readonly #intake: FrameIntake;
  readonly #taps = new Map<string, TapSource>();
  readonly #failedTaps = new Map<string, number>();
  readonly #switches = new Map<string, SwitchSource>();
  readonly #trackers = new Map<string, ConntrackSource | null>();
  readonly #trackedBy = new Map<string, number | null>();
  readonly #problems = new Map<string, string>();
  readonly #losses: Partial<Record<FlowSource, { times: number; missed: number }>> = {};
  readonly #countedMs = new Map<FlowSource, number>();
  #coverage: readonly Coverage[] = [];
  #vms: ReadonlySet<string> = new Set();
  #timers: NodeJS.Timeout[] = [];
  #refreshing: Promise<void> | null = null;
  #tookBack = false;

  constructor(options: FlowWatchOptions) {
    this.#options = options;
    const { listener, flowsMax } = options;
    this.#table = new FlowTable({ names: this.#names, listener, ...(flowsMax === undefined ? {} : { flowsMax }) });
    this.#intake = new FrameIntake(this.#table, this.#names, this.#directory);
  }

  async start(): Promise<void> {
    await this.refresh();
    const { clock } = this.#options;
    this.#timers = [
      setInterval(() => this.#table.expire(clock.now()), expireEveryMs),
      setInterval(() => void this.refresh(), refreshEveryMs),
      setInterval(() => this.#count(), countEveryMs),
    ];
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    await this.#refreshing;
    for (const tap of this.#taps.values()) tap.stop();
    this.#taps.clear();
    for (const source of this.#switches.values()) source.close();
    if (this.#switches.size > 0) this.#remember('switch', await takeBackExports(this.#database));
    this.#switches.clear();
    for (const namespace of this.#trackers.keys()) await this.#untrack(namespace);
    this.#table.stop();
  }

  health(): FlowHealth {
    return {
      coverage: this.#coverage,
      table: this.#table.health(),
      intake: this.#intake.health(),
      losses: structuredClone(this.#losses),
      problems: [...this.#problems.values()],
    };
  }

  /** What is open now, of one VM or of all. */
  open(vm?: string): readonly SeenFlow[] {
    return this.#table.open(vm);
  }

  /** The same for whoever looks often: no records are made. */
  live(vm: string): Iterable<LiveFlow> {
    return this.#table.live(vm);
  }

  /** Network addresses that the VM itself has claimed on the wire (ARP, neighbour discovery). */
  addressesOf(vm: string): ReadonlySet<string> {
    return this.#directory.claimsOf(vm);
  }

  /** Looks at once for VMs and devices that came or went; otherwise done every two seconds. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  get #database(): string {
    return this.#options.ovsDatabase ?? '/run/openvswitch/db.sock';
  }

  async #refresh(): Promise<void> {
    const plugged = this.#options.vms().flatMap((vm): PluggedVm[] => {
      const interfaces = interfacesOf(vm.pid);
      return interfaces === null ? [] : [{ ...vm, interfaces }];
    });
    this.#directory.assign(new Map(plugged.flatMap(({ vm, interfaces }) => interfaces.macs.map((mac) => [mac, vm]))));
    this.#forgetOthers(new Set(plugged.map(({ vm }) => vm)));
    const ownNamespace = readlinkSync('/proc/self/ns/net');
    const links = new Map<string, readonly HostLink[]>();
    for (const { pid, interfaces } of plugged) {
      const { namespace } = interfaces;
      if (links.has(namespace)) continue;
      const namespacePid = namespace === ownNamespace ? null : pid;
      const read = await readLinks(namespacePid);
      this.#remember(`links ${namespace}`, read);
      links.set(namespace, read.ok ? read.value : []);
      await this.#track(namespace, namespacePid);
    }
    const bridges = await this.#bridges(ownNamespace);
    const exported = new Map<string, Exported>([...this.#switches].map(([bridge, source]) => [bridge, source.told]));
    const tracked = new Set([...this.#trackers].filter(([, source]) => source !== null).map(([name]) => name));
    const linksOf = (namespace: string): readonly HostLink[] => links.get(namespace) ?? [];
    const around = { ownNamespace, linksOf, bridges, exported, tracked };
    const first = chooseListeningPoints(plugged, around);
    for (const [name, vms] of first.switches) {
      const bridge = bridges?.find((it) => it.name === name);
      if (bridge !== undefined) exported.set(name, await this.#hear(bridge, vms));
    }
    const points = chooseListeningPoints(plugged, around);
    this.#coverage = points.coverage;
    this.#capture(points.taps);
  }

  #forgetOthers(vms: ReadonlySet<string>): void {
    for (const vm of this.#vms) if (!vms.has(vm)) this.#table.stop(vm);
    this.#vms = vms;
  }

  async #bridges(ownNamespace: string): Promise<readonly OvsBridge[] | null> {
    if (namespaceOfSwitch(this.#database) !== ownNamespace) return null;
    if (!this.#tookBack) {
      this.#tookBack = true;
      this.#remember('switch', await takeBackExports(this.#database));
    }
    const bridges = await readBridges(this.#database);
    this.#remember('switch', bridges);
    return bridges.ok ? bridges.value : null;
  }

  async #hear(bridge: OvsBridge, vms: ReadonlySet<string>): Promise<Exported> {
    let source = this.#switches.get(bridge.name);
    if (source === undefined) {
      const opened = await SwitchSource.open({
        database: this.#database,
        domain: 1 + this.#switches.size,
        table: this.#table,
        intake: this.#intake,
        directory: this.#directory,
        now: () => this.#options.clock.now(),
        lost: (by, missed, reason) => this.#lose(by, missed, `${bridge.name}: ${reason}`),
      });
      if (!opened.ok) {
        this.#remember(`bridge ${bridge.name}`, opened);
        return { ipfix: false, sflow: false };
      }
      source = opened.value;
      this.#switches.set(bridge.name, source);
    }
    const told = await source.listen(bridge, vms);
    this.#remember(`bridge ${bridge.name}`, told);
    return source.told;
  }

  async #track(namespace: string, namespacePid: number | null): Promise<void> {
    if (this.#options.bridges !== 'conntrack' || this.#trackers.has(namespace)) return;
    const ruled = await addTrackingRule(namespacePid);
    this.#remember(`tracking ${namespace}`, ruled);
    this.#trackedBy.set(namespace, namespacePid);
    if (!ruled.ok) {
      this.#trackers.set(namespace, null);
      return;
    }
    const source = new ConntrackSource({
      namespacePid,
      table: this.#table,
      directory: this.#directory,
      now: () => this.#options.clock.now(),
      listener: {
        lost: (missed, reason) => this.#lose('conntrack', missed, reason),
        ended: (why) => {
          this.#problems.set(`tracking ${namespace}`, `Connection tracking cannot be followed: ${why}`);
          this.#trackers.set(namespace, null);
        },
      },
    });
    this.#trackers.set(namespace, source);
  }

  async #untrack(namespace: string): Promise<void> {
    this.#trackers.get(namespace)?.stop();
    this.#trackers.delete(namespace);
    this.#remember(`tracking ${namespace}`, await removeTrackingRule(this.#trackedBy.get(namespace) ?? null));
  }

  #capture(targets: readonly TapTarget[]): void {
    const wanted = new Map(targets.map((target) => [JSON.stringify(target), target]));
    for (const [key, tap] of this.#taps) {
      if (wanted.has(key)) continue;
      tap.stop();
      this.#taps.delete(key);
    }
    for (const key of this.#failedTaps.keys()) if (!wanted.has(key)) this.#failedTaps.delete(key);
    const nowMs = this.#options.clock.monotonic();
    for (const [key, target] of wanted) {
      if (this.#taps.has(key) || nowMs - (this.#failedTaps.get(key) ?? Number.NEGATIVE_INFINITY) < retryTapMs) continue;
      this.#failedTaps.delete(key);
      this.#taps.set(key, this.#openTap(key, target));
    }
  }

  #openTap(key: string, target: TapTarget): TapSource {
    const weight = target.scope === 'all' ? 1 : 0;
    const vms = new Set([target.vm]);
    return new TapSource(target, {
      packet: (_, { atMs, bytes }) => this.#intake.take({ by: 'tap', atMs, bytes, weight, vms }),
      lost: (_, missed) => this.#lose('tap', missed, `${target.device}: the kernel had to drop captured packets`),
      ended: (_, why) => {
        this.#taps.delete(key);
        this.#failedTaps.set(key, this.#options.clock.monotonic());
        this.#lose('tap', null, `${target.device} is not captured any more: ${why}`);
      },
    });
  }

  #count(): void {
    for (const tap of this.#taps.values()) tap.count();
    for (const source of this.#switches.values()) source.count();
    const nowMs = this.#options.clock.now();
    // What is told as lost from now on was lost since now, give or take a round.
    for (const source of ['ipfix', 'sflow', 'conntrack', 'tap'] as const) this.#countedMs.set(source, nowMs);
  }

  #lose(source: FlowSource, missed: number | null, reason: string): void {
    const sum = (this.#losses[source] ??= { times: 0, missed: 0 });
    sum.times += 1;
    sum.missed += missed ?? 0;
    const nowMs = this.#options.clock.now();
    const from = isoTime((this.#countedMs.get(source) ?? nowMs) - countEveryMs);
    this.#options.listener.lost({ from, until: isoTime(nowMs), source, missed, reason: reason.slice(0, 300) });
  }

  /** What was tried again and worked is no problem any more. */
  #remember(about: string, result: Result<unknown>): void {
    if (result.ok) this.#problems.delete(about);
    else if (this.#problems.size < problemsMax) this.#problems.set(about, sayProblem(result.error));
  }
}

/** It sends its records from its own network namespace: they reach us only when that is ours as well. */
function namespaceOfSwitch(database: string): string | null {
  try {
    return readlinkSync(`/proc/${switchDaemonPid(database)}/ns/net`);
  } catch {
    return null;
  }
}
