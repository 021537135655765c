// The kernel modules loaded in a guest. They lie where the kernel maps page by page, so their addresses stay virtual, in halves.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { ModuleView } from './guest-view.ts';
import type { Ledger } from './ledger.ts';

const modulesMax = 4096;
const nameBytesMax = 56;
/** Sections a module is split into since 6.4; code comes first. */
const sectionsMax = 7;

interface Virtual {
  readonly high: number;
  readonly low: number;
}

/** In the kernel's order, newest first; empty for a kernel built without modules. */
export function listModules(space: KernelSpace, ledger: Ledger): readonly ModuleView[] {
  const { profile } = space;
  const head = space.optionalSymbol('modules');
  if (head === null) return [];
  const modules: ModuleView[] = [];
  let at = virtualAt(space, head);
  while (space.anywhere(at.high, at.low) !== head) {
    const link = space.anywhere(at.high, at.low);
    if (link === nowhere) {
      ledger.note('unreadable', 'the list of modules breaks off');
      return modules;
    }
    if (modules.length >= modulesMax) {
      ledger.note('bounded', `more than ${modulesMax} modules, or a list that goes in circles`);
      return modules;
    }
    modules.push(readModule(space, plus(at, -profile.fields['module.list'])));
    at = virtualAt(space, link);
  }
  return modules;
}

function readModule(space: KernelSpace, module: Virtual): ModuleView {
  const { fields, sizes } = space.profile;
  const field = (offset: number): PhysicalAddress => {
    const { high, low } = plus(module, offset);
    return space.anywhere(high, low);
  };
  const name = space.pages.text(field(fields['module.name']), nameBytesMax);
  const code = fields['module.code.base'];
  const size = fields['module.code.size'];
  if (code === undefined) return { name, base: '0x0', sizeBytes: 0 };
  if (size !== undefined)
    return { name, base: hex(virtualAt(space, field(code))), sizeBytes: space.pages.u32(field(size)) };
  const section = sizes.module_memory ?? 0;
  const inSection = fields['module_memory.size'] ?? 0;
  let sizeBytes = 0;
  for (let index = 0; index < sectionsMax && section > 0; index += 1) {
    sizeBytes += space.pages.u32(field(code + index * section + inSection));
  }
  return { name, base: hex(virtualAt(space, field(code + (fields['module_memory.base'] ?? 0)))), sizeBytes };
}

function virtualAt(space: KernelSpace, at: PhysicalAddress): Virtual {
  return { high: space.pages.u32(at + 4), low: space.pages.u32(at) };
}

function plus({ high, low }: Virtual, offset: number): Virtual {
  const sum = low + offset;
  return { high: (high + Math.floor(sum / 0x1_0000_0000)) >>> 0, low: sum >>> 0 };
}

function hex({ high, low }: Virtual): string {
  return `0x${high.toString(16)}${low.toString(16).padStart(8, '0')}`;
}
