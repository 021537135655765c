// One bridge of Open vSwitch that tells us of its VMs' traffic: a collector of its own, so that what arrives is known to be of
// this bridge, and the export that feeds it.
import type { Result } from '../../kit/result.ts';
import { ok } from '../../kit/result.ts';
import type { IpfixRecord } from '../../protocols/ipfix/ipfix-message.ts';
import type { SampledPacket } from '../../protocols/sflow/sflow-datagram.ts';
import type { FlowEnds, Way } from './flow.ts';
import type { FlowTable } from './flow-table.ts';
import type { FrameIntake } from './frame-intake.ts';
import { OvsCollector, type CollectorHealth } from './ovs-collector.ts';
import type { OvsBridge } from './ovs-database.ts';
import { exportBridge, type Exported } from './ovs-export.ts';
import type { VmDirectory } from './vm-directory.ts';

export interface SwitchOptions {
  readonly database: string;
  readonly domain: number;
  readonly table: FlowTable;
  readonly intake: FrameIntake;
  readonly directory: VmDirectory;
  readonly now: () => number;
  readonly lost: (source: 'ipfix' | 'sflow', missed: number | null, reason: string) => void;
}

const protocols = new Map<number, 'tcp' | 'udp'>([
  [6, 'tcp'],
  [17, 'udp'],
]);

export class SwitchSource {
  readonly #options: SwitchOptions;
  readonly #collector: OvsCollector;
  #vms: ReadonlySet<string> = new Set();
  #told: Exported = { ipfix: false, sflow: false };

  static async open(options: SwitchOptions): Promise<Result<SwitchSource>> {
    let source: SwitchSource | null = null;
    const collector = await OvsCollector.open({
      record: (record) => source?.takeRecord(record),
      packet: (packet) => source?.takePacket(packet),
      lost: options.lost,
    });
    if (!collector.ok) return collector;
    source = new SwitchSource(options, collector.value);
    return ok(source);
  }

  constructor(options: SwitchOptions, collector: OvsCollector) {
    this.#options = options;
    this.#collector = collector;
  }

  get told(): Exported {
    return this.#told;
  }

  /** Sets up what is missing of the export; called again, it mends what was taken away since. */
  async listen(bridge: OvsBridge, vms: ReadonlySet<string>): Promise<Result<Exported>> {
    this.#vms = vms;
    const { ipfixPort: ipfix, sflowPort: sflow } = this.#collector;
    const told = await exportBridge(this.#options.database, bridge, { ipfix, sflow, domain: this.#options.domain });
    this.#told = told.ok ? told.value : { ipfix: false, sflow: false };
    return told;
  }

  count(): void {
    this.#collector.count();
  }

  health(): CollectorHealth {
    return this.#collector.health();
  }

  close(): void {
    this.#collector.close();
  }

  takePacket({ header, samplingRate }: SampledPacket): void {
    const weight = this.#told.ipfix ? 0 : Math.max(1, samplingRate);
    this.#options.intake.take({ by: 'sflow', atMs: this.#options.now(), bytes: header, weight, vms: this.#vms });
  }

  takeRecord(record: IpfixRecord): void {
    const proto = protocols.get(record.protocol);
    // What leaves the switch has entered it. A later fragment has no ports: its bytes belong to nobody that could be named.
    if (proto === undefined || record.egress || (record.sourcePort === 0 && record.targetPort === 0)) return;
    const sender = this.#vmOf(record.sourceMac);
    const receiver = this.#vmOf(record.targetMac);
    const { source, sourcePort, target, targetPort } = record;
    if (sender !== null)
      this.#see(sender, 'sent', record, {
        proto,
        localAddr: source,
        localPort: sourcePort,
        remoteAddr: target,
        remotePort: targetPort,
      });
    if (receiver !== null)
      this.#see(receiver, 'received', record, {
        proto,
        localAddr: target,
        localPort: targetPort,
        remoteAddr: source,
        remotePort: sourcePort,
      });
  }

  #see(vm: string, way: Way, { startMs, endMs, packets, bytes }: IpfixRecord, ends: FlowEnds): void {
    const nowMs = this.#options.now();
    // An exporter's clock is this host's clock; a time that is not about now is a lie or a fault.
    const within = (atMs: number): number => Math.min(Math.max(atMs, nowMs - 60_000), nowMs);
    this.#options.table.see(vm, ends, {
      by: 'ipfix',
      way,
      startMs: within(startMs),
      endMs: within(endMs),
      packets,
      bytes,
      tcp: null,
    });
  }

  #vmOf(mac: string): string | null {
    const vm = this.#options.directory.vmOf(mac);
    return vm !== null && this.#vms.has(vm) ? vm : null;
  }
}
