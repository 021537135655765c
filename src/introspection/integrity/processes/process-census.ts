// Counts the tasks of a guest in every way its kernel keeps them: the list of processes with their threads, the table of process ids, the
// run queues, and the children of each parent. A rootkit takes a process out of some of them and not of others.
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { walkXArray } from '../../kernel/xarray.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { Ledger } from '../../guest/ledger.ts';
import { readTaskFacts, taskOffsets } from '../../guest/task-facts.ts';
import type { TaskFacts } from '../../guest/task-facts.ts';
import { listTasks, tasksMax } from '../../guest/task-list.ts';
import { ThreadList } from '../../guest/thread-list.ts';

export type View = 'list' | 'ids' | 'run-queue' | 'children';

export interface Census {
  /** Every task found in any way, by the address of its record. */
  readonly tasks: ReadonlyMap<PhysicalAddress, CountedTask>;
  /** Ways that this kernel keeps tasks in and that were read to their end. */
  readonly sound: ReadonlySet<View>;
}

export interface CountedTask {
  readonly facts: TaskFacts;
  readonly views: ReadonlySet<View>;
  /** Process ids under which the table has it, in the initial namespace; empty where it does not. */
  readonly ids: readonly number[];
  /** The first thread of its process. */
  readonly leader: boolean;
}

interface Counting {
  readonly views: Set<View>;
  readonly ids: number[];
}

const namespacesMax = 256;
const idsMax = 4_194_304;
/** Of one namespace: a million ids. */
const idNodesMax = 16_384;
const processorsMax = 8192;
const stepsPerClock = 256;
const runnableMax = 16_384;
const pidLevelsMax = 32;

/**
 * One count; the pages it reads are whatever `space` has cached, so begin anew before. When `isLate` says so it stops, and what was
 * not read to its end is not sound: a guest may hang endless lists from each of its processes.
 */
export function takeCensus(space: KernelSpace, isLate: () => boolean): Census {
  const census = new Count(space, isLate);
  census.list();
  census.children();
  census.runQueues();
  census.ids();
  return census.result();
}

class Count {
  readonly #space: KernelSpace;
  readonly #found = new Map<PhysicalAddress, Counting>();
  readonly #sound = new Set<View>();
  readonly #isLate: () => boolean;
  #steps = 0;
  #late = false;

  constructor(space: KernelSpace, isLate: () => boolean) {
    this.#space = space;
    this.#isLate = isLate;
  }

  list(): void {
    const ledger = new Ledger();
    const threads = new ThreadList(ledger);
    for (const leader of listTasks(this.#space, ledger)) {
      this.#see(leader, 'list');
      if (!this.#goesOn()) return;
      for (const thread of threads.of(this.#space, leader)) this.#see(thread, 'list');
    }
    if (ledger.complete) this.#sound.add('list');
  }

  /** Of every thread that is listed, and of the kernel's first task, which is the parent of the first processes. */
  children(): void {
    const { 'task_struct.children': children, 'task_struct.sibling': sibling } = this.#space.profile.fields;
    if (children === undefined || sibling === undefined) return;
    let sound = this.#sound.has('list');
    for (const parent of [this.#space.symbol('init_task'), ...this.#found.keys()]) {
      const head = parent + children;
      let at = this.#space.maybePointer(head);
      while (at !== head && at !== nowhere && this.#goesOn()) {
        this.#see(at - sibling, 'children');
        at = this.#space.maybePointer(at);
      }
      if (at !== head) sound = false;
      if (!this.#goesOn()) return;
    }
    if (sound) this.#sound.add('children');
  }

  /** Each task's record leads to the queue of its processor; the kernel has threads bound to every one. Realtime tasks only while they run. */
  runQueues(): void {
    const { fields } = this.#space.profile;
    const { 'task_struct.se.cfs_rq': fairQueue, 'cfs_rq.rq': queueOf, 'rq.curr': current } = fields;
    const { 'rq.cfs_tasks': waiting, 'task_struct.se.group_node': node } = fields;
    if (fairQueue === undefined || queueOf === undefined || current === undefined) return;
    const queues = new Set<PhysicalAddress>();
    for (const task of this.#found.keys()) {
      const fair = this.#space.maybePointer(task + fairQueue);
      const queue = fair === nowhere ? nowhere : this.#space.maybePointer(fair + queueOf);
      if (queue !== nowhere && queues.size < processorsMax) queues.add(queue);
    }
    for (const queue of queues) {
      this.#see(this.#space.maybePointer(queue + current), 'run-queue');
      if (waiting === undefined || node === undefined) continue;
      const head = queue + waiting;
      let at = this.#space.maybePointer(head);
      for (let left = runnableMax; at !== head && at !== nowhere && left > 0 && this.#goesOn(); left -= 1) {
        this.#see(at - node, 'run-queue');
        at = this.#space.maybePointer(at);
      }
    }
    if (this.#goesOn()) this.#sound.add('run-queue');
  }

  /** The table of the initial namespace, and those of all others that a listed process lives in. */
  ids(): void {
    const { fields } = this.#space.profile;
    const { 'pid_namespace.idr': table, 'pid.tasks': tasks, 'task_struct.pid_links': links } = fields;
    const first = this.#space.optionalSymbol('init_pid_ns');
    if (first === null || table === undefined || tasks === undefined || links === undefined) return;
    let sound = true;
    for (const namespace of this.#namespaces(first)) {
      if (!this.#goesOn()) return;
      const limits = { nodesMax: idNodesMax, end: idsMax };
      const walked = walkXArray(this.#space, namespace + table, limits, ({ high, low, index, isValue }) => {
        const pid = isValue ? nowhere : this.#space.linear(high, low);
        const link = pid === nowhere ? nowhere : this.#space.maybePointer(pid + tasks);
        // An id without a task is still the id of a group or a session.
        if (link === nowhere) return;
        const seen = this.#see(link - links, 'ids');
        if (namespace === first) seen?.ids.push(index);
      });
      if (walked.cut || walked.torn > 0) sound = false;
    }
    if (sound) this.#sound.add('ids');
  }

  result(): Census {
    const offsets = taskOffsets(this.#space.profile);
    const { strays } = this.#space;
    const tasks = new Map<PhysicalAddress, CountedTask>();
    for (const [task, { views, ids }] of this.#found) {
      const facts = readTaskFacts(this.#space, offsets, task);
      if (facts.pid === 0 || facts.pid > idsMax || facts.tgid > idsMax) continue;
      if (!this.#goesOn()) break;
      tasks.set(task, { facts, views, ids, leader: facts.pid === facts.tgid });
    }
    this.#space.forgiveStrays(strays);
    return { tasks, sound: this.#late ? new Set<View>() : this.#sound };
  }

  #see(task: PhysicalAddress, view: View): Counting | null {
    if (task <= nowhere || (this.#found.size >= tasksMax && !this.#found.has(task))) return null;
    let seen = this.#found.get(task);
    if (seen === undefined) {
      seen = { views: new Set(), ids: [] };
      this.#found.set(task, seen);
    }
    seen.views.add(view);
    return seen;
  }

  /** The clock is asked now and then only. */
  #goesOn(): boolean {
    this.#steps += 1;
    if (this.#steps % stepsPerClock === 0 && this.#isLate()) this.#late = true;
    return !this.#late;
  }

  #namespaces(first: PhysicalAddress): ReadonlySet<PhysicalAddress> {
    const { fields, sizes } = this.#space.profile;
    const namespaces = new Set([first]);
    for (const task of this.#found.keys()) {
      const pid = this.#space.maybePointer(task + fields['task_struct.thread_pid']);
      const levels = pid === nowhere ? 0 : Math.min(this.#space.pages.u32(pid + fields['pid.level']), pidLevelsMax);
      for (let level = 1; level <= levels; level += 1) {
        const entry = pid + fields['pid.numbers'] + level * (sizes.upid ?? 16);
        const namespace = this.#space.maybePointer(entry + fields['upid.ns']);
        if (namespace !== nowhere && namespaces.size < namespacesMax) namespaces.add(namespace);
      }
    }
    return namespaces;
  }
}
