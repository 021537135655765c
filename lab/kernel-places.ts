// Where in a guest's kernel a test can plant something without the guest falling over: code that never runs, tables that are not used.
import { takeBaseline } from '../src/introspection/integrity/kernel/baseline.ts';
import { KeptBytes } from '../src/introspection/integrity/kernel/kept-bytes.ts';
import type { KernelBaseline } from '../src/introspection/integrity/kernel/baseline.ts';
import {
  atOffset,
  follow,
  hex,
  listNodes,
  locate,
  plus,
} from '../src/introspection/integrity/kernel/hooks/kernel-pointer.ts';
import type { Virtual } from '../src/introspection/integrity/kernel/hooks/kernel-pointer.ts';
import { readModules } from '../src/introspection/integrity/kernel/modules/loaded-modules.ts';
import type { PatchSite } from '../src/introspection/integrity/kernel/code/patch-sites.ts';
import { Unseen } from '../src/introspection/integrity/unseen.ts';
import type { KernelSpace } from '../src/introspection/kernel/kernel-space.ts';
import type { OptionalFieldName } from '../src/introspection/kernel/kernel-profile.ts';
import { readSymbolTable } from '../src/introspection/kernel/symbol-table.ts';
import type { SymbolTable } from '../src/introspection/kernel/symbol-table.ts';
import { sayProblem } from '../src/kit/problem.ts';
import type { Result } from '../src/kit/result.ts';
import { word } from './tampering.ts';
import type { Patch } from './tampering.ts';

/** Code that a guest of the lab never comes to. */
const idle =
  /^(?:kernel_halt|machine_halt|hibernat|swsusp|suspend_|pm_suspend|kexec_|machine_kexec|crash_kexec|kgdb|emergency_restart)/;
const readsMax = 1_000_000;

export interface Place {
  /** From `_text`. */
  readonly offset: number;
  /** As a finding would name it. */
  readonly name: string;
}

export class KernelPlaces {
  readonly space: KernelSpace;
  readonly #symbols: SymbolTable;
  readonly #baseline: KernelBaseline;
  readonly #byName = new Map<string, number>();

  /** Throws when the kernel cannot be understood. */
  constructor(space: KernelSpace) {
    this.space = space;
    space.pages.begin(readsMax);
    this.#symbols = must(readSymbolTable(space.pages.memory, space.image));
    this.#baseline = must(takeBaseline(space, null, new KeptBytes({ directory: null })));
    for (const { name, offset } of this.#symbols.symbols()) if (!this.#byName.has(name)) this.#byName.set(name, offset);
  }

  offsetOf(name: string): number {
    const offset = this.#byName.get(name);
    if (offset === undefined) throw new Error(`the kernel has no ${name}`);
    return offset;
  }

  physical(offset: number): number {
    return this.space.image.textPhysical + offset;
  }

  byteAt(offset: number): number {
    return this.space.pages.u8(this.physical(offset));
  }

  idleCode(): Place {
    const start = this.offsetOf('kernel_halt');
    const end = this.#symbols.nextAfter(start) ?? start;
    for (let offset = start; offset < end; offset += 1) {
      if (this.#baseline.sites.around(offset).length === 0) return { offset, name: this.#symbols.say(offset) };
    }
    throw new Error('kernel_halt consists of patch sites only');
  }

  idleTraceSite(): Place {
    return this.#idleSite('ftrace');
  }

  idleJumpLabel(): Place {
    return this.#idleSite('jump-label');
  }

  #idleSite(kind: PatchSite['kind']): Place {
    for (const site of this.#baseline.sites.within(0, this.space.image.sizeBytes)) {
      const name = this.#symbols.say(site.offset);
      // Only the displacement is changed where the instruction already is what will be planted.
      if (site.kind === kind && idle.test(name) && !name.startsWith('kernel_halt'))
        return { offset: site.offset, name };
    }
    throw new Error(`no ${kind} in code that never runs`);
  }

  /** The last function of TCP's table: nothing in the lab calls it. */
  protocolFunction(): Place {
    const found = this.#baseline.tableWords.filter(({ name }) => name.startsWith('tcp_prot+')).at(-1);
    if (found === undefined) throw new Error('tcp_prot holds no functions');
    return found;
  }

  dieNotifier(): number {
    const head = atOffset(this.space, this.offsetOf('die_chain') + 8);
    return this.#at(plus(follow(this.space, head), this.#field('notifier_block.notifier_call')));
  }

  procRootOperations(): number {
    const head = atOffset(this.space, this.offsetOf('super_blocks'));
    for (const node of listNodes(this.space, head, 1000).nodes) {
      const block = plus(node, -this.#field('super_block.s_list'));
      const type = follow(this.space, plus(block, this.#field('super_block.s_type')));
      const name = this.#at(follow(this.space, plus(type, this.#field('file_system_type.name'))));
      if (this.space.pages.text(name, 16) !== 'proc') continue;
      const root = follow(this.space, plus(block, this.#field('super_block.s_root')));
      const inode = follow(this.space, plus(root, this.#field('dentry.d_inode')));
      return this.#at(plus(inode, this.#field('inode.i_fop')));
    }
    throw new Error('/proc is not mounted');
  }

  moduleCode(name: string): number {
    return this.#at(atOffset(this.space, (this.#module(name).code[0]?.start ?? 0) + 0x40));
  }

  /** As `list_del` does it, the module's own links left alone. */
  unlinkModule(name: string): readonly Patch[] {
    const node = plus(this.#module(name).at, this.space.profile.fields['module.list']);
    const next = follow(this.space, node);
    const previous = follow(this.space, plus(node, 8));
    return [
      { address: this.#at(previous), bytes: word(next.high, next.low) },
      { address: this.#at(plus(next, 8)), bytes: word(previous.high, previous.low) },
    ];
  }

  #module(name: string) {
    this.space.pages.forget();
    const found = readModules(this.space, this.#baseline.map, new Unseen()).find((module) => module.name === name);
    if (found === undefined) throw new Error(`the module ${name} is not loaded`);
    return found;
  }

  #field(name: OptionalFieldName): number {
    const offset = this.space.profile.fields[name];
    if (offset === undefined) throw new Error(`the kernel has no ${name}`);
    return offset;
  }

  #at(virtual: Virtual): number {
    const where = locate(this.space, virtual);
    if (where === 0) throw new Error(`nothing lies at ${hex(virtual)}`);
    return where;
  }
}

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sayProblem(result.error));
  return result.value;
}
