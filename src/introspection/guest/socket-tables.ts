// The TCP sockets the kernel itself knows: connections, TIME_WAIT remnants, half-open requests and listeners in its hash tables.
// They hold what no process does: orphans still being closed, connections not yet accepted, the kernel's own listeners.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelArray, KernelSpace } from '../kernel/kernel-space.ts';
import type { Ledger } from './ledger.ts';

/** In all tables together; Linux makes a table of 524 288 at most. */
const bucketsMax = 2_097_152;
const socketsMax = 200_000;
const namespacesMax = 1024;
/** Kernels to 5.18 keep listeners in this many buckets of their own. */
const oldListenBuckets = 32;

/** Address of the shared part of every TCP socket in the tables of every network namespace. */
export function listTableSockets(space: KernelSpace, ledger: Ledger): readonly PhysicalAddress[] {
  const walk = new TableWalk(space, ledger);
  for (const table of hashTables(space, ledger)) walk.visit(table);
  return [...walk.sockets];
}

/** Namespaces may have a table of their own (sysctl net.ipv4.tcp_child_ehash_entries); most share one. */
function hashTables(space: KernelSpace, ledger: Ledger): ReadonlySet<PhysicalAddress> {
  const tables = new Set([space.symbol('tcp_hashinfo')]);
  const { fields } = space.profile;
  const head = space.optionalSymbol('net_namespace_list');
  const hashinfo = fields['net.ipv4.hashinfo'];
  if (head === null || hashinfo === undefined) return tables;
  let at = space.pointer(head);
  for (let count = 0; at !== head && at !== nowhere; count += 1) {
    if (count >= namespacesMax) {
      ledger.note('bounded', `more than ${namespacesMax} network namespaces`);
      break;
    }
    const table = space.pointer(at - fields['net.list'] + hashinfo);
    if (table !== nowhere) tables.add(table);
    at = space.pointer(at);
  }
  return tables;
}

class TableWalk {
  readonly sockets = new Set<PhysicalAddress>();
  readonly #space: KernelSpace;
  readonly #ledger: Ledger;
  readonly #node: number;
  #bucketsLeft = bucketsMax;

  constructor(space: KernelSpace, ledger: Ledger) {
    this.#space = space;
    this.#ledger = ledger;
    this.#node = space.profile.fields['sock_common.skc_nulls_node'];
  }

  visit(table: PhysicalAddress): void {
    const { fields, sizes } = this.#space.profile;
    const connections = this.#space.array(table + fields['inet_hashinfo.ehash']);
    if (connections !== null) {
      this.#buckets(connections, this.#space.pages.u32(table + fields['inet_hashinfo.ehash_mask']) + 1, 8, 0);
    }
    const oldListeners = fields['inet_hashinfo.listening_hash'];
    const listeners = fields['inet_hashinfo.lhash2'];
    const mask = fields['inet_hashinfo.lhash2_mask'];
    const size = sizes.inet_listen_hashbucket;
    const chain = fields['inet_listen_hashbucket.nulls_head'];
    if (chain === undefined || size === undefined) return;
    if (oldListeners !== undefined) {
      const linear = table + oldListeners;
      this.#buckets({ high: 0, low: 0, linear }, oldListenBuckets, size, chain);
    } else if (listeners !== undefined && mask !== undefined) {
      const array = this.#space.array(table + listeners);
      if (array !== null) this.#buckets(array, this.#space.pages.u32(table + mask) + 1, size, chain);
    }
  }

  #buckets(array: KernelArray, count: number, sizeBytes: number, chainOffset: number): void {
    const most = Math.min(count, this.#bucketsLeft);
    if (count > most) this.#ledger.note('bounded', `socket tables of more than ${bucketsMax} buckets`);
    this.#bucketsLeft -= most;
    for (let bucket = 0; bucket < most; bucket += 1) {
      const element = this.#space.element(array, bucket, sizeBytes);
      if (element === nowhere) continue;
      const at = element + chainOffset;
      // An odd pointer ends a chain; nearly all chains are empty, so this is decided on the first word.
      if ((this.#space.pages.u32(at) & 1) === 0) this.#chain(at);
    }
  }

  #chain(head: PhysicalAddress): void {
    const { pages } = this.#space;
    let at = head;
    while ((pages.u32(at) & 1) === 0) {
      const next = this.#space.pointer(at);
      if (next === nowhere) return;
      if (this.sockets.has(next - this.#node)) {
        this.#ledger.note('torn', 'a chain of sockets that goes in circles or leads into another');
        return;
      }
      if (this.sockets.size >= socketsMax) {
        this.#ledger.note('bounded', `more than ${socketsMax} sockets in the kernel's tables`);
        return;
      }
      this.sockets.add(next - this.#node);
      at = next;
    }
  }
}
