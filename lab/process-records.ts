// Where in a guest's memory its kernel keeps one process, so that a test can take it out of a list, a table or its rights.
import type { PhysicalAddress } from '../src/introspection/memory/guest-memory.ts';
import { nowhere, type KernelSpace } from '../src/introspection/kernel/kernel-space.ts';
import type { FieldName, OptionalFieldName } from '../src/introspection/kernel/kernel-profile.ts';
import { findCachedPages } from '../src/introspection/identity/cached-pages.ts';
import { walkXArray } from '../src/introspection/kernel/xarray.ts';
import type { Patch } from './tampering.ts';

const readsMax = 1_000_000;
const slotsPerNode = 64;

export class ProcessRecords {
  readonly #space: KernelSpace;

  constructor(space: KernelSpace) {
    this.#space = space;
    space.pages.begin(readsMax);
  }

  field(name: FieldName | OptionalFieldName): number {
    const offset = this.#space.profile.fields[name];
    if (offset === undefined) throw new Error(`this kernel has no ${name}`);
    return offset;
  }

  /** Reads everything afresh from now on. */
  renew(): void {
    this.#space.pages.begin(readsMax);
  }

  /** The record of the process `pid`. */
  task(pid: number): PhysicalAddress {
    const link = this.field('task_struct.tasks');
    const head = this.#space.symbol('init_task') + link;
    for (let at = this.#space.pointer(head); at !== head && at !== nowhere; at = this.#space.pointer(at)) {
      if (this.#space.pages.u32(at - link + this.field('task_struct.pid')) === pid) return at - link;
    }
    throw new Error(`the guest has no process ${pid}`);
  }

  /** Threads other than the first, in the order of the kernel's list. */
  threads(task: PhysicalAddress): readonly PhysicalAddress[] {
    const head = this.#space.pointer(task + this.field('task_struct.signal')) + this.field('signal_struct.thread_head');
    const threads: PhysicalAddress[] = [];
    for (let at = this.#space.pointer(head); at !== head && at !== nowhere; at = this.#space.pointer(at)) {
      threads.push(at - this.field('task_struct.thread_node'));
    }
    return threads.filter((thread) => thread !== task);
  }

  pointer(at: PhysicalAddress): PhysicalAddress {
    return this.#space.pointer(at);
  }

  number(at: PhysicalAddress): number {
    return this.#space.pages.u32(at);
  }

  bytes(at: PhysicalAddress, length: number): Buffer {
    return this.#space.pages.copy(at, length);
  }

  /** Takes `link` (a list_head) out of its list, its own pointers left as they are: what a rootkit does. */
  unlink(link: PhysicalAddress): readonly Patch[] {
    const next = this.#space.pointer(link);
    const before = this.#space.pointer(link + 8);
    return [
      { address: before, bytes: this.bytes(link, 8) },
      { address: next + 8, bytes: this.bytes(link + 8, 8) },
    ];
  }

  /** Where page `index` of a file lies; `mapping`: the file's address_space. */
  pageOf(mapping: PhysicalAddress, index: number): PhysicalAddress {
    const frame = findCachedPages(this.#space, mapping, index + 1)?.frames[index] ?? 0;
    if (frame <= 0) throw new Error(`page ${index} is not in memory`);
    return frame;
  }

  /** The slot of the table of process ids that holds `pid`, of the initial namespace. */
  idSlot(pid: number): PhysicalAddress {
    const namespace = this.#space.optionalSymbol('init_pid_ns');
    if (namespace === null) throw new Error('this kernel has no init_pid_ns');
    const head = namespace + this.field('pid_namespace.idr');
    let held: Buffer | null = null;
    walkXArray(this.#space, head, { nodesMax: 4096, end: 4_194_304 }, ({ index, high, low }) => {
      if (index !== pid) return;
      held = Buffer.alloc(8);
      held.writeUInt32LE(low, 0);
      held.writeUInt32LE(high, 4);
    });
    const slots = this.#slotsBelow(this.#space.pages.u32(head + 4), this.#space.pages.u32(head));
    const slot = slots.find((at) => held?.equals(this.bytes(at, 8)) === true);
    if (slot === undefined) throw new Error(`no entry of the table holds process ${pid}`);
    return slot;
  }

  #slotsBelow(high: number, low: number): readonly PhysicalAddress[] {
    const node = this.#space.linear(high, low - 2);
    const first = node + this.field('xa_node.slots');
    const slots = Array.from({ length: slotsPerNode }, (_, index) => first + index * 8);
    if (this.#space.pages.u8(node + this.field('xa_node.shift')) === 0) return slots;
    return slots.flatMap((slot) => {
      const below = this.#space.pages.u32(slot);
      return (below & 3) === 2 && below > 4096 ? this.#slotsBelow(this.#space.pages.u32(slot + 4), below) : [];
    });
  }
}
