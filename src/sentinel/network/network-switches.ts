// The enforcers of this host's switches: one for each kind and network namespace, and one for each VM that libvirt acts on, made when
// first needed.
import { join } from 'node:path';
import { readlinkSync } from 'node:fs';
import { nftablesEnforcer } from '../../connectors/enforcement/nftables/nftables-enforcer.ts';
import { nwfilterEnforcer } from '../../connectors/enforcement/nwfilter/nwfilter-enforcer.ts';
import { openVswitchEnforcer } from '../../connectors/enforcement/openvswitch/openvswitch-enforcer.ts';
import type { NetworkEnforcer } from '../../connectors/enforcement/network-enforcer.ts';
import { type CapturedFile, PacketCapture } from '../../connectors/enforcement/packet-capture.ts';
import type { Patience } from '../../connectors/enforcement/verified-action.ts';
import type { Problem } from '../../kit/problem.ts';
import type { LibvirtGuest } from './bridge-enforcer.ts';
import type { PluggedPort } from './vm-ports.ts';

export interface NetworkSwitchesOptions {
  readonly patience: Patience;
  /** Where captured packets are kept. */
  readonly evidence: string;
  readonly ovsDatabase: string;
  readonly captured: (file: CapturedFile) => void;
  readonly lost: (id: string, why: Problem) => void;
}

export class NetworkSwitches {
  readonly #options: NetworkSwitchesOptions;
  readonly #enforcers = new Map<string, NetworkEnforcer>();
  readonly #captures = new Map<number | null, PacketCapture>();

  constructor(options: NetworkSwitchesOptions) {
    this.#options = options;
  }

  /** Null for a port that is on no switch. */
  of({ by, namespacePid, libvirt }: PluggedPort): NetworkEnforcer | null {
    if (by === null) return null;
    if (by === 'nwfilter') return libvirt === undefined ? null : this.#filtersOf(libvirt, namespacePid);
    // What a process of another namespace left to us ends with it; ours is ours as long as we run.
    if (namespacePid !== null && !isThere(namespacePid)) return null;
    const key = `${by} ${namespacePid}`;
    const known = this.#enforcers.get(key);
    if (known !== undefined) return known;
    const { patience, ovsDatabase } = this.#options;
    const capture = this.#captureOf(namespacePid);
    const made =
      by === 'nftables'
        ? nftablesEnforcer({ namespacePid, patience, capture })
        : openVswitchEnforcer({ database: ovsDatabase, patience, capture });
    this.#enforcers.set(key, made);
    return made;
  }

  /** Ends captures and keeps what they have. Measures stay in force. */
  async close(): Promise<void> {
    await Promise.all([...this.#captures.values()].map((capture) => capture.close()));
  }

  /** libvirt can be told about a VM that does not run; its namespace matters to a capture only. */
  #filtersOf(libvirt: LibvirtGuest, namespacePid: number | null): NetworkEnforcer {
    const { socket, uuid } = libvirt;
    const key = `nwfilter ${socket} ${uuid} ${namespacePid}`;
    const known = this.#enforcers.get(key);
    if (known !== undefined) return known;
    const { patience } = this.#options;
    const made = nwfilterEnforcer({ socket, uuid, patience, capture: this.#captureOf(namespacePid) });
    this.#enforcers.set(key, made);
    return made;
  }

  #captureOf(namespacePid: number | null): PacketCapture {
    const known = this.#captures.get(namespacePid);
    if (known !== undefined) return known;
    const { patience, evidence, captured, lost } = this.#options;
    const options = { clock: patience.clock, namespacePid, finished: captured, lost };
    const made = new PacketCapture({ ...options, directory: join(evidence, 'packets') });
    this.#captures.set(namespacePid, made);
    return made;
  }
}

function isThere(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) !== '';
  } catch {
    return false;
  }
}
