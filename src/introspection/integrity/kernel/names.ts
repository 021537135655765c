// Names for addresses in findings. The table of symbols behind them is some megabytes and is read only when something is to be named;
// it is let go with this value.
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { readSymbolTable } from '../../kernel/symbol-table.ts';
import type { SymbolTable } from '../../kernel/symbol-table.ts';
import type { CodeOwners } from './modules/code-owners.ts';
import { atOffset, codeOffset, hex } from './hooks/kernel-pointer.ts';
import type { Virtual } from './hooks/kernel-pointer.ts';

export class Names {
  readonly #space: KernelSpace;
  readonly #owners: CodeOwners;
  #table: SymbolTable | null | undefined;

  constructor(space: KernelSpace, owners: CodeOwners) {
    this.#space = space;
    this.#owners = owners;
  }

  /** `tcp_v4_rcv+0x12`, `module virtio_net+0x40`, or the bare address. */
  ofOffset(offset: number): string {
    if (offset >= 0 && offset < this.#space.image.sizeBytes) {
      this.#table ??= this.#read();
      return this.#table?.say(offset) ?? hex(atOffset(this.#space, offset));
    }
    const owner = this.#owners.of(offset);
    if (owner === null) return hex(atOffset(this.#space, offset));
    const within = `+0x${(offset - owner.start).toString(16)}`;
    return owner.kind === 'module' ? `module ${owner.name}${within}` : `${owner.name}${within}`;
  }

  of(pointer: Virtual): string {
    const offset = codeOffset(this.#space, pointer);
    return offset === null ? hex(pointer) : this.ofOffset(offset);
  }

  #read(): SymbolTable | null {
    const table = readSymbolTable(this.#space.pages.memory, this.#space.image);
    return table.ok ? table.value : null;
  }
}
