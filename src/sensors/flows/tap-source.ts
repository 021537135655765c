// Packets of one VM as they pass its own device, captured by the host's tcpdump: works on every bridge and switch, changes
// nothing, and costs what the VM's traffic costs. What the kernel had to drop is asked for and counted.
import type { ChildProcess } from 'node:child_process';
import { PcapReader, type CapturedPacket } from '../../protocols/packet/pcap-reader.ts';
import { startProgram, within } from '../../protocols/host-program/run-program.ts';

export interface TapTarget {
  readonly vm: string;
  readonly device: string;
  /** A process in the device's network namespace; null = ours. */
  readonly namespacePid: number | null;
  /** `openings` = only what opens connections, gives names and claims addresses: another source counts. */
  readonly scope: 'all' | 'openings';
}

export interface TapListener {
  packet(target: TapTarget, packet: CapturedPacket): void;
  lost(target: TapTarget, missed: number): void;
  /** It captures no longer, for the reason said. */
  ended(target: TapTarget, why: string): void;
}

/** Enough for headers and the addresses in a DNS answer. */
const snapBytes = 512;
const kernelBufferKib = 16_384;
const wordsMax = 2000;
const openings =
  'arp or (udp port 53) or (icmp6 and ip6[40] = 136) or (tcp[13] & 7 != 0) or (ip6 and ip6[6] = 6 and ip6[53] & 7 != 0)';

export class TapSource {
  readonly target: TapTarget;
  readonly #listener: TapListener;
  readonly #child: ChildProcess;
  #words = '';
  #dropped = 0;
  #listening = false;
  #stopped = false;

  constructor(target: TapTarget, listener: TapListener) {
    this.target = target;
    this.#listener = listener;
    // It stays root: a change of user would undo that the kernel ends it with us, and with `-w` it looks into no packet.
    const argv = ['tcpdump', '-i', target.device, '-n', '-U', '-w', '-', '-s', String(snapBytes), '-Z', 'root'];
    const rest = ['-B', String(kernelBufferKib), ...(target.scope === 'openings' ? [openings] : [])];
    const child = startProgram(within(target.namespacePid, [...argv, ...rest]));
    this.#child = child;
    const reader = new PcapReader();
    child.stdout?.on('data', (chunk: Buffer) => {
      reader.read(chunk, (packet) => listener.packet(target, packet));
      if (reader.problem !== null) this.stop();
    });
    child.stderr?.on('data', (chunk: Buffer) => this.#hear(chunk.toString('latin1')));
    child.once('close', () => {
      if (!this.#stopped) listener.ended(target, reader.problem?.message ?? this.#lastWords());
    });
    child.once('error', (error) => {
      if (!this.#stopped) listener.ended(target, error.message);
    });
  }

  /** Asks what was dropped; the answer comes by the listener. */
  count(): void {
    // Before it listens, the signal would end it.
    if (this.#listening && this.#child.exitCode === null) this.#child.kill('SIGUSR1');
  }

  stop(): void {
    this.#stopped = true;
    this.#child.kill('SIGTERM');
  }

  /** On SIGUSR1 and at its end tcpdump says `N packets dropped by kernel`. */
  #hear(text: string): void {
    this.#words = (this.#words + text).slice(-wordsMax);
    this.#listening ||= this.#words.includes('listening on');
    for (const found of text.matchAll(/(\d{1,15}) packets? dropped by (?:kernel|interface)/g)) {
      const dropped = Number(found[1]);
      if (/interface/.test(found[0]) || dropped <= this.#dropped) continue;
      this.#listener.lost(this.target, dropped - this.#dropped);
      this.#dropped = dropped;
    }
  }

  #lastWords(): string {
    return this.#words.trim().split('\n').slice(-1).join('').slice(0, 300) || 'tcpdump ended';
  }
}
