// Kernel modules being loaded: a new one is put at the head of the kernel's list before any of its code is run.
// Source: add_unformed_module in Linux, 5.10 to 7.x.
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { Hook } from '../hook.ts';
import { fieldOf, rangeOf, runsIn } from '../kernel-code.ts';
import type { HookContext } from './hook-context.ts';
import { plainEvent } from './hook-context.ts';

const nameBytesMax = 56;

/** Null where the kernel has no modules, and with breakpoints, which are too few. */
export function loadedModuleHook({ space, processes, technique }: HookContext): Hook | null {
  const head = fieldOf(space, 'modules', null);
  // The inner function is often made part of the outer one.
  const ranges = [rangeOf(space, 'add_unformed_module'), rangeOf(space, 'load_module')];
  if (technique === 'code' || head === null || ranges.every((range) => range === null)) return null;
  return {
    name: 'module',
    points: [{ on: 'data', at: head.address, sizeBytes: 8, access: 'write' }],
    recognise(_guest, cpu) {
      if (!ranges.some((range) => runsIn(range, cpu))) return null;
      const name = newestModule(space, head.physical);
      const actor = name === null ? null : processes.read(cpu.current);
      if (name === null || actor === null) return 'nothing';
      return {
        key: `module ${actor.process} ${name}`,
        repeatable: true,
        event: { ...plainEvent('module', actor), module: name },
      };
    },
  };
}

/** Modules lie where the kernel maps page by page, so their addresses are followed in halves. */
function newestModule(space: KernelSpace, head: number): string | null {
  const { fields } = space.profile;
  const within = fields['module.name'] - fields['module.list'];
  const sum = space.pages.u32(head) + within;
  const high = space.pages.u32(head + 4) + Math.floor(sum / 0x1_0000_0000);
  const at = space.anywhere(high % 0x1_0000_0000, ((sum % 0x1_0000_0000) + 0x1_0000_0000) % 0x1_0000_0000);
  const name = at === nowhere ? '' : space.pages.text(at, nameBytesMax);
  return name === '' ? null : name;
}
