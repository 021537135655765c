// Who answers for a stretch of executable kernel memory: the kernel's image, a listed module, a compiled BPF program, a tracer's or a
// probe's trampoline. What nobody answers for is what these checks are about.
import type { KernelSpace } from '../../../kernel/kernel-space.ts';
import type { Landmark, KernelMap } from '../kernel-map.ts';
import {
  atOffset,
  chainNodes,
  codeOffset,
  follow,
  isNull,
  listNodes,
  locate,
  plus,
  wordAt,
} from '../hooks/kernel-pointer.ts';
import type { Virtual } from '../hooks/kernel-pointer.ts';
import type { LoadedModule } from './loaded-modules.ts';
import type { Unseen } from '../../unseen.ts';

export type OwnerKind = 'kernel' | 'module' | 'bpf' | 'tracer' | 'probe';

export interface CodeOwner {
  readonly kind: OwnerKind;
  /** From `_text`; `end` is one past. */
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

const programsMax = 20_000;
const packsMax = 4096;
const packBytes = 0x20_0000;
const tracersMax = 1024;
const probePagesMax = 4096;
const pageBytes = 4096;

export class CodeOwners {
  /** By start, ascending; they do not overlap, or one holds the other wholly. */
  readonly #owners: readonly CodeOwner[];
  readonly #longest: number;

  constructor(owners: readonly CodeOwner[]) {
    this.#owners = owners.toSorted((a, b) => a.start - b.start);
    this.#longest = owners.reduce(
      (most, { start, end, kind }) => (kind === 'kernel' ? most : Math.max(most, end - start)),
      0,
    );
  }

  get all(): readonly CodeOwner[] {
    return this.#owners;
  }

  /** Who answers for the byte at `offset` from `_text`; null for nobody. */
  of(offset: number): CodeOwner | null {
    const first = this.#owners[0];
    if (first?.kind === 'kernel' && offset >= first.start && offset < first.end) return first;
    let low = 0;
    let high = this.#owners.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#owners[middle]?.start ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    for (let index = low - 1; index >= 0; index -= 1) {
      const owner = this.#owners[index];
      if (owner === undefined || owner.start + this.#longest <= offset) return null;
      if (owner.kind !== 'kernel' && offset < owner.end) return owner;
    }
    return null;
  }

  /** The same for a pointer as it is written; NULL and addresses elsewhere have no owner. */
  ofPointer(space: KernelSpace, pointer: Virtual): CodeOwner | null {
    const offset = codeOffset(space, pointer);
    return offset === null ? null : this.of(offset);
  }
}

/** Reads who owns code now. `modules` are those on the kernel's list. */
export function readCodeOwners(
  space: KernelSpace,
  map: KernelMap,
  modules: readonly LoadedModule[],
  unseen: Unseen,
): CodeOwners {
  const kernel: CodeOwner = { kind: 'kernel', start: 0, end: map.landmarks._etext ?? 0, name: 'kernel' };
  return new CodeOwners([
    kernel,
    ...modules.flatMap(({ name, code }) =>
      code.map(({ start, end }): CodeOwner => ({ kind: 'module', start, end, name })),
    ),
    ...readPrograms(space, map, unseen),
    ...readTracers(space, map, unseen),
    ...readProbePages(space, map, unseen),
  ]);
}

function landmark(space: KernelSpace, map: KernelMap, name: Landmark): Virtual | null {
  const offset = map.landmarks[name];
  return offset === undefined ? null : atOffset(space, offset);
}

function readPrograms(space: KernelSpace, map: KernelMap, unseen: Unseen): readonly CodeOwner[] {
  const { fields } = space.profile;
  const owners: CodeOwner[] = [];
  const list = landmark(space, map, 'bpf_kallsyms');
  const [node, start, end] = [fields['bpf_ksym.lnode'], fields['bpf_ksym.start'], fields['bpf_ksym.end']];
  if (list !== null && node !== undefined && start !== undefined && end !== undefined) {
    const { nodes, whole } = listNodes(space, list, programsMax);
    if (!whole) unseen.note('the list of compiled BPF programs breaks off or is longer than any');
    for (const at of nodes) {
      const from = codeOffset(space, follow(space, plus(at, start - node)));
      const to = codeOffset(space, follow(space, plus(at, end - node)));
      if (from !== null && to !== null && to > from && to - from <= packBytes)
        owners.push(owner('bpf', from, to, 'BPF program'));
    }
  }
  const packs = landmark(space, map, 'pack_list');
  const [packNode, memory] = [fields['bpf_prog_pack.list'], fields['bpf_prog_pack.ptr']];
  if (packs !== null && packNode !== undefined && memory !== undefined) {
    const { nodes, whole } = listNodes(space, packs, packsMax);
    if (!whole) unseen.note('the list of memory for compiled BPF programs breaks off');
    for (const at of nodes) {
      const from = codeOffset(space, follow(space, plus(at, memory - packNode)));
      if (from !== null) owners.push(owner('bpf', from, from + packBytes, 'BPF programs'));
    }
  }
  return owners;
}

function owner(kind: OwnerKind, start: number, end: number, name: string): CodeOwner {
  return { kind, start, end, name };
}

/** Each user of the function tracer may have an entry of its own, copied from the kernel's. */
function readTracers(space: KernelSpace, map: KernelMap, unseen: Unseen): readonly CodeOwner[] {
  const { fields } = space.profile;
  const [next, entry, size] = [
    fields['ftrace_ops.next'],
    fields['ftrace_ops.trampoline'],
    fields['ftrace_ops.trampoline_size'],
  ];
  if (next === undefined || entry === undefined || size === undefined) return [];
  return [...tracers(space, map, unseen), ...leavingTracers(space, map, unseen)].flatMap((ops) => {
    const start = codeOffset(space, follow(space, plus(ops, entry)));
    const sizeAt = locate(space, plus(ops, size));
    const sizeBytes = sizeAt === 0 ? 0 : space.pages.u32(sizeAt);
    return start === null || sizeBytes === 0 || sizeBytes > pageBytes * 4
      ? []
      : [owner('tracer', start, start + sizeBytes, 'ftrace trampoline')];
  });
}

/** The registered users of the function tracer (`struct ftrace_ops`); the last one of the list only marks its end. */
export function tracers(space: KernelSpace, map: KernelMap, unseen: Unseen): readonly Virtual[] {
  const next = space.profile.fields['ftrace_ops.next'];
  const list = landmark(space, map, 'ftrace_ops_list');
  if (list === null || next === undefined) return [];
  const { nodes, whole } = chainNodes(space, follow(space, list), next, tracersMax);
  if (!whole) unseen.note('the list of function tracers breaks off');
  return nodes;
}

/** A tracer that is being taken out leaves its list before the last function has stopped calling its entry: this one knows it till then. */
function leavingTracers(space: KernelSpace, map: KernelMap, unseen: Unseen): readonly Virtual[] {
  const link = space.profile.fields['ftrace_ops.list'];
  const list = landmark(space, map, 'ftrace_ops_trampoline_list');
  if (list === null || link === undefined) return [];
  const { nodes, whole } = listNodes(space, list, tracersMax);
  if (!whole) unseen.note('the list of tracers’ trampolines breaks off');
  return nodes.map((node) => plus(node, -link));
}

/** Pages that hold instructions moved out of line for probes. */
function readProbePages(space: KernelSpace, map: KernelMap, unseen: Unseen): readonly CodeOwner[] {
  const { fields } = space.profile;
  const [pages, node, code] = [
    fields['kprobe_insn_cache.pages'],
    fields['kprobe_insn_page.list'],
    fields['kprobe_insn_page.insns'],
  ];
  if (pages === undefined || node === undefined || code === undefined) return [];
  return (['kprobe_insn_slots', 'kprobe_optinsn_slots'] as const).flatMap((name) => {
    const cache = landmark(space, map, name);
    if (cache === null) return [];
    const { nodes, whole } = listNodes(space, plus(cache, pages), probePagesMax);
    if (!whole) unseen.note('a list of pages for probes breaks off');
    return nodes.flatMap((at) => {
      const start = codeOffset(space, follow(space, plus(at, code - node)));
      return start === null ? [] : [owner('probe', start, start + pageBytes, 'kprobe page')];
    });
  });
}

/** Where probes stand (from `_text`), and what they call. */
export interface Probe {
  readonly offset: number;
  readonly handlers: readonly { readonly what: string; readonly pointer: Virtual }[];
}

const probeBuckets = 64;
const probesMax = 20_000;

export function readProbes(space: KernelSpace, map: KernelMap, unseen: Unseen): readonly Probe[] {
  const { fields } = space.profile;
  const table = landmark(space, map, 'kprobe_table');
  const [node, address] = [fields['kprobe.hlist'], fields['kprobe.addr']];
  if (table === null || node === undefined || address === undefined) return [];
  const probes: Probe[] = [];
  for (let bucket = 0; bucket < probeBuckets; bucket += 1) {
    const { nodes, whole } = chainNodes(space, follow(space, plus(table, bucket * 8)), 0, probesMax - probes.length);
    if (!whole) unseen.note('a list of probes breaks off');
    for (const at of nodes) {
      const offset = codeOffset(space, follow(space, plus(at, address - node)));
      if (offset === null) continue;
      const handlers = (['kprobe.pre_handler', 'kprobe.post_handler'] as const).flatMap((what) => {
        const field = fields[what];
        const pointer = field === undefined ? { high: 0, low: 0 } : follow(space, plus(at, field - node));
        return isNull(pointer) ? [] : [{ what, pointer }];
      });
      probes.push({ offset, handlers });
    }
  }
  return probes;
}

/** The word at an offset from `_text`, for keys of static calls, which lie in the image or in a module. */
export function wordAtOffset(space: KernelSpace, offset: number): Virtual | null {
  const where = locate(space, atOffset(space, offset));
  return where === 0 ? null : wordAt(space, where);
}
