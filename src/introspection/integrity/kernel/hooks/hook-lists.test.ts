// Every list a function can be entered in, drawn in memory with one good and one foreign function: the foreign one is named, and only it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KernelImage } from '../../../kernel/find-kernel.ts';
import { KeptBytes } from '../kept-bytes.ts';
import type { KernelProfile } from '../../../kernel/kernel-profile.ts';
import { KernelSpace } from '../../../kernel/kernel-space.ts';
import type { GuestMemory } from '../../../memory/guest-memory.ts';
import { PageCache } from '../../../memory/page-cache.ts';
import type { KernelBaseline } from '../baseline.ts';
import { checkHookLists } from './hook-lists.ts';
import { beginLook } from '../kernel-look.ts';
import type { Landmark } from '../kernel-map.ts';
import { PatchSites } from '../code/patch-sites.ts';

const memoryBytes = 1024 * 1024;
const textPhysical = 0x1_0000;
const textLow = 0x8100_0000;
const textEnd = 0x4000;
/** In the kernel's code, and in nobody's. */
const good = textLow + 0x100;
const foreign = 0xc000_1230;

/** Data of the kernel, by offset from `_text`; everything in it is addressed as part of the image. */
class Sketch {
  readonly #bytes = Buffer.alloc(memoryBytes);
  #free = 0x8000;

  take(sizeBytes: number): number {
    const at = this.#free;
    this.#free += Math.ceil(sizeBytes / 8) * 8;
    return at;
  }

  /** A pointer to an offset, or to an address of code as it is. */
  point(at: number, to: number): void {
    const low = to >= textLow ? to : textLow + to;
    this.#bytes.writeUInt32LE(low, textPhysical + at);
    this.#bytes.writeUInt32LE(0xffff_ffff, textPhysical + at + 4);
  }

  number(at: number, value: number): void {
    this.#bytes.writeInt32LE(value, textPhysical + at);
  }

  text(at: number, text: string): void {
    this.#bytes.write(text, textPhysical + at);
  }

  get memory(): GuestMemory {
    const bytes = this.#bytes;
    return {
      end: memoryBytes,
      read(address, into, offset, length) {
        if (address < 0 || address + length > memoryBytes) return false;
        into.set(bytes.subarray(address, address + length), offset);
        return true;
      },
      close() {},
    };
  }
}

const fields = {
  'module.list': 8,
  'module.name': 24,
  'net.list': 8,
  'net.nf': 64,
  'netns_nf.hooks_ipv4': 0,
  'netns_nf.hooks_ipv6': 40,
  'nf_hook_entries.num_hook_entries': 0,
  'nf_hook_entries.hooks': 8,
  'nf_hook_entry.hook': 0,
  'notifier_block.notifier_call': 0,
  'notifier_block.next': 8,
  'tracepoint.name': 0,
  'tracepoint.funcs': 8,
  'tracepoint_func.func': 0,
  'linux_binfmt.lh': 0,
  'linux_binfmt.load_binary': 24,
  'security_hook_list.list': 0,
  'security_hook_list.hook': 24,
  'ftrace_ops.func': 0,
  'ftrace_ops.next': 8,
  'ftrace_ops.trampoline': 16,
  'ftrace_ops.trampoline_size': 24,
  'kprobe.hlist': 0,
  'kprobe.addr': 16,
  'kprobe.pre_handler': 24,
  'kprobe.post_handler': 32,
};

interface List {
  readonly says: string;
  readonly landmarks: readonly Landmark[];
  /** Draws a list of two functions; where it starts, by landmark. */
  draw(sketch: Sketch, functions: readonly [number, number]): readonly number[];
  readonly names: RegExp;
}

function circle(sketch: Sketch, head: number, nodes: readonly number[]): void {
  [head, ...nodes].forEach((node, index) => {
    sketch.point(node, nodes[index] ?? head);
  });
}

const lists: readonly List[] = [
  {
    says: 'netfilter',
    landmarks: ['net_namespace_list'],
    draw(sketch, [first, second]) {
      const [head, net, array] = [sketch.take(16), sketch.take(256), sketch.take(64)];
      circle(sketch, head, [net + fields['net.list']]);
      sketch.point(net + fields['net.nf'] + 8, array);
      sketch.number(array, 2);
      sketch.point(array + 8, first);
      sketch.point(array + 24, second);
      return [head];
    },
    names: /^netfilter IPv4 hook 1\.1$/,
  },
  {
    says: 'notifiers',
    landmarks: ['netdev_chain'],
    draw(sketch, [first, second]) {
      const [head, one, two] = [sketch.take(8), sketch.take(24), sketch.take(24)];
      sketch.point(head, one);
      sketch.point(one, first);
      sketch.point(one + 8, two);
      sketch.point(two, second);
      return [head];
    },
    names: /^notifier netdev_chain\[1\]$/,
  },
  {
    says: 'tracepoints',
    landmarks: ['__start___tracepoints_ptrs', '__stop___tracepoints_ptrs'],
    draw(sketch, [first, second]) {
      const [table, point, functions, name] = [sketch.take(8), sketch.take(16), sketch.take(96), sketch.take(16)];
      sketch.number(table, point - table);
      sketch.text(name, 'sched_switch');
      sketch.point(point, name);
      sketch.point(point + 8, functions);
      sketch.point(functions, first);
      sketch.point(functions + 24, second);
      return [table, table + 4];
    },
    names: /^tracepoint probe sched_switch$/,
  },
  {
    says: 'program loaders',
    landmarks: ['formats'],
    draw(sketch, [first, second]) {
      const [head, one, two] = [sketch.take(16), sketch.take(48), sketch.take(48)];
      circle(sketch, head, [one, two]);
      sketch.point(one + 24, first);
      sketch.point(two + 24, second);
      return [head];
    },
    names: /^program loader 1$/,
  },
  {
    says: 'security modules',
    landmarks: ['security_hook_heads'],
    draw(sketch, [first, second]) {
      const [heads, one, two] = [sketch.take(32), sketch.take(48), sketch.take(48)];
      sketch.point(heads + 16, one);
      sketch.point(one, two);
      sketch.point(one + 24, first);
      sketch.point(two + 24, second);
      return [heads];
    },
    names: /^security hook 2\.1$/,
  },
  {
    says: 'function tracers',
    landmarks: ['ftrace_ops_list'],
    draw(sketch, [first, second]) {
      const [head, one, two] = [sketch.take(8), sketch.take(48), sketch.take(48)];
      sketch.point(head, one);
      sketch.point(one, first);
      sketch.point(one + 8, two);
      sketch.point(two, second);
      return [head];
    },
    names: /^function tracer at 0xffffffff/,
  },
  {
    says: 'probes',
    landmarks: ['kprobe_table'],
    draw(sketch, [first, second]) {
      const [table, one, two] = [sketch.take(64 * 8), sketch.take(48), sketch.take(48)];
      sketch.point(table + 40, one);
      sketch.point(one, two);
      sketch.point(one + 16, textLow + 0x200);
      sketch.point(two + 16, textLow + 0x300);
      sketch.point(one + 24, first);
      sketch.point(two + 32, second);
      return [table];
    },
    names: /^probe handler at 0xffffffff81000300$/,
  },
];

function lookAt(list: List, functions: readonly [number, number]) {
  const sketch = new Sketch();
  const places = list.draw(sketch, functions);
  const image: KernelImage = {
    root: { address: 0, la57: false },
    textLow,
    textPhysical,
    sizeBytes: 0x8_0000,
    runs: [],
  };
  const profile = {
    symbols: { page_offset_base: 0, init_top_pgt: 0x7_0000 },
    fields,
    bits: {},
    sizes: { nf_hook_entry: 16, tracepoint_func: 24, security_hook_heads: 32 },
  } as unknown as KernelProfile;
  const landmarks = Object.fromEntries(list.landmarks.map((name, index) => [name, places[index] ?? 0]));
  const baseline: KernelBaseline = {
    source: 'first-use',
    fileSha256: null,
    map: {
      landmarks: { ...landmarks, _etext: textEnd },
      trampolines: [],
      tracerCalls: [],
      tracerEntries: [],
      returnThunks: [],
      functionTables: [],
    },
    sites: new PatchSites([]),
    regions: [],
    interruptTable: Buffer.alloc(4096),
    tableWords: [],
    doubts: [],
    kept: new KeptBytes({ directory: null }),
  };
  const look = beginLook(new KernelSpace(new PageCache(sketch.memory), image, profile), baseline);
  return checkHookLists(look).findings;
}

for (const list of lists) {
  test(`a foreign function among ${list.says} is named, and only it`, () => {
    assert.deepEqual(lookAt(list, [good, good]), []);
    const found = lookAt(list, [good, foreign]);
    assert.deepEqual(
      found.map(({ kind, facts }) => [kind, facts['address']]),
      [['hooked-function', '0xffffffffc0001230']],
    );
    assert.match(found[0]?.subject ?? '', list.names);
  });
}
