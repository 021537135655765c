// The modules on the kernel's list, as integrity checks need them: where their code and data lie, and where their code is patched.
import { nowhere } from '../../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../../kernel/kernel-space.ts';
import type { KernelMap } from '../kernel-map.ts';
import { atOffset, codeOffset, follow, hex, listNodes, locate, plus } from '../hooks/kernel-pointer.ts';
import type { Virtual } from '../hooks/kernel-pointer.ts';
import type { Unseen } from '../../unseen.ts';

/** Offsets from `_text`; `end` is one past. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

export interface LoadedModule {
  /** Its `struct module`. */
  readonly at: Virtual;
  readonly address: string;
  /** The guest's text, capped. */
  readonly name: string;
  /** Running: not being loaded or on its way out. */
  readonly live: boolean;
  /** Code that stays, then code that only runs while it is loaded. */
  readonly code: readonly Stretch[];
  /** All its memory that stays, code included. */
  readonly memory: readonly Stretch[];
}

export const modulesMax = 4096;
const nameBytesMax = 56;
const moduleBytesMax = 256 * 1024 * 1024;
/** Order of `enum mod_mem_type` since 6.4: text, data, read-only data, read-only after init, then four that go after init. */
const keptSections = 4;
const initTextSection = 4;

export function readModules(space: KernelSpace, map: KernelMap, unseen: Unseen): readonly LoadedModule[] {
  const head = map.landmarks.modules;
  if (head === undefined) return [];
  const { nodes, whole } = listNodes(space, atOffset(space, head), modulesMax);
  if (!whole) unseen.note('the list of modules breaks off or is longer than any');
  return nodes.map((node) => readModule(space, plus(node, -space.profile.fields['module.list'])));
}

export function readModule(space: KernelSpace, at: Virtual): LoadedModule {
  const { fields } = space.profile;
  const sections = space.profile.sizes.module_memory === undefined ? oldLayout(space, at) : newLayout(space, at);
  const stateAt = fields['module.state'] === undefined ? nowhere : locate(space, plus(at, fields['module.state']));
  return {
    at,
    address: hex(at),
    name: moduleName(space, at),
    live: stateAt !== nowhere && space.pages.u32(stateAt) === 0,
    ...sections,
  };
}

export function moduleName(space: KernelSpace, at: Virtual): string {
  const where = locate(space, plus(at, space.profile.fields['module.name']));
  return where === nowhere ? '' : space.pages.text(where, nameBytesMax);
}

type Sections = Pick<LoadedModule, 'code' | 'memory'>;

/** To 6.3: one allocation that stays, one that goes; code comes first in each. */
function oldLayout(space: KernelSpace, at: Virtual): Sections {
  const { fields } = space.profile;
  const base = fields['module.code.base'];
  const core = base === undefined ? null : stretch(space, at, base, fields['module.code.size']);
  const code = base === undefined ? null : stretch(space, at, base, fields['module.text_size']);
  const initBase = fields['module.init.base'];
  const init = initBase === undefined ? null : stretch(space, at, initBase, fields['module.init.size']);
  return { code: [code, init].filter((one) => one !== null), memory: core === null ? [] : [core] };
}

function newLayout(space: KernelSpace, at: Virtual): Sections {
  const { fields, sizes } = space.profile;
  const table = fields['module.code.base'] ?? 0;
  const each = sizes.module_memory ?? 0;
  const section = (index: number): Stretch | null => {
    const from = table + index * each;
    const size = fields['module_memory.size'];
    return stretch(space, at, from + (fields['module_memory.base'] ?? 0), size === undefined ? size : from + size);
  };
  const kept = Array.from({ length: keptSections }, (_, index) => section(index)).filter((one) => one !== null);
  return { code: [section(0), section(initTextSection)].filter((one) => one !== null), memory: kept };
}

function stretch(space: KernelSpace, at: Virtual, baseAt: number, sizeAt: number | undefined): Stretch | null {
  if (sizeAt === undefined) return null;
  const start = codeOffset(space, follow(space, plus(at, baseAt)));
  const sizeWhere = locate(space, plus(at, sizeAt));
  const sizeBytes = sizeWhere === nowhere ? 0 : space.pages.u32(sizeWhere);
  return start === null || sizeBytes === 0 || sizeBytes > moduleBytesMax ? null : { start, end: start + sizeBytes };
}
