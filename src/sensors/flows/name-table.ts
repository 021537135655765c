// Which name a VM was given an address for: learned from the DNS answers it receives. A hint for people, never a proof of who
// the peer is: whoever answers a VM's questions decides what stands here.
import { RecentMap } from '../../kit/recent-map.ts';
import type { NamedAddress } from '../../protocols/packet/dns-answer.ts';

interface Entry {
  readonly name: string;
  readonly untilMs: number;
}

const entriesMax = 32_768;
/** Programs keep what they looked up for longer than they should: a name stays for a minute at least. */
const keptMs = { least: 60_000, most: 24 * 3_600_000 } as const;

export class NameTable {
  readonly #entries = new RecentMap<string, Entry>(entriesMax);

  /** How many names had to make room for newer ones. */
  get evicted(): number {
    return this.#entries.evicted;
  }

  learn(vm: string, { name, address, ttlSeconds }: NamedAddress, nowMs: number): void {
    const keepMs = Math.min(Math.max(ttlSeconds * 1000, keptMs.least), keptMs.most);
    this.#entries.set(`${vm} ${address}`, { name, untilMs: nowMs + keepMs });
  }

  nameOf(vm: string, address: string, nowMs: number): string | null {
    const entry = this.#entries.peek(`${vm} ${address}`);
    return entry !== undefined && nowMs <= entry.untilMs ? entry.name : null;
  }
}
