// Addresses that the sockets of a guest have, as the last looks saw them: the guest's own word, good for asking after it and for nothing
// that would have to be true.
import { blockText, isOfOneMachine, parseBlock } from '../../connectors/enforcement/address-block.ts';
import type { SocketView } from '../../introspection/guest/guest-view.ts';
import { RecentMap } from '../../kit/recent-map.ts';

/** A guest with more keeps those that most of its sockets have. */
const addressesMax = 16;
/** Looks come every few milliseconds, and addresses do not change as fast. */
const noteEveryMs = 1000;
/** What a socket had, its machine has for a while, until another is started in it or the address is given to another machine. */
const keptMs = 600_000;

export class OwnAddresses {
  /** To when a socket was last seen to have it. */
  readonly #seen = new RecentMap<string, number>(addressesMax);
  #notedAtMs = Number.NEGATIVE_INFINITY;

  /** `nowMs`: of a clock that never goes back. */
  note(sockets: readonly Pick<SocketView, 'localAddress'>[], nowMs: number): void {
    if (nowMs - this.#notedAtMs < noteEveryMs) return;
    this.#notedAtMs = nowMs;
    const uses = new Map<string, number>();
    for (const { localAddress } of sockets) uses.set(localAddress, (uses.get(localAddress) ?? 0) + 1);
    const own = [...uses].flatMap(([text, count]) => {
      const block = parseBlock(text);
      return block !== null && isOfOneMachine(block) ? [{ address: blockText(block), count }] : [];
    });
    const rarestFirst = own.toSorted((one, other) => one.count - other.count);
    for (const { address } of rarestFirst.slice(-addressesMax)) this.#seen.set(address, nowMs);
  }

  /** The most used of the last look first; none that was not seen for ten minutes before it. */
  list(): readonly string[] {
    const fresh = [...this.#seen.entries()].filter(([, seenAtMs]) => this.#notedAtMs - seenAtMs <= keptMs);
    return fresh.map(([address]) => address).toReversed();
  }
}
