// The code of each module against what it was when it was first seen running. There is no earlier truth: a module is trusted at its
// first look, and held to it from then on.
import { nowhere } from '../../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../../kernel/kernel-space.ts';
import type { IntegrityCheck, IntegrityFinding } from '../../integrity-view.ts';
import { pack, unpack } from '../baseline.ts';
import { marginBytes, unexplainedChanges } from '../code/compare-code.ts';
import { answer } from '../kernel-look.ts';
import type { KernelLook } from '../kernel-look.ts';
import { atOffset, hex, locate } from '../hooks/kernel-pointer.ts';
import type { LoadedModule, Stretch } from './loaded-modules.ts';
import { PatchSites } from '../code/patch-sites.ts';
import { moduleSites, traceSites } from '../code/runtime-sites.ts';
import { Unseen } from '../../unseen.ts';

const covers =
  'Every byte of the code of every running module against what it was when this module was first seen; places the kernel patches are judged as in the kernel’s own code.';
const codeBytesMax = 32 * 1024 * 1024;
const keptBytesMax = 128 * 1024 * 1024;
const pageBytes = 4096;

interface KnownModule {
  readonly name: string;
  readonly code: Stretch;
  readonly bytes: Buffer;
  readonly sites: PatchSites;
}

/** Remembers modules from look to look; one for each guest. */
export class ModuleCode {
  readonly #known = new Map<string, KnownModule>();
  #keptBytes = 0;

  get keptBytes(): number {
    return this.#keptBytes;
  }

  check(look: KernelLook): IntegrityCheck {
    const unseen = new Unseen();
    const findings: IntegrityFinding[] = [];
    const present = new Set<string>();
    for (const module of look.modules) {
      const [code] = module.code;
      // Code that only runs while a module is loaded goes away in the middle of a look.
      if (!module.live || code === undefined) continue;
      const key = `${module.address} ${module.name} ${code.start} ${code.end}`;
      present.add(key);
      const known = this.#known.get(key);
      if (known === undefined) this.#learn(look, key, module, code, unseen);
      else findings.push(...compare(look, known, unseen));
    }
    for (const [key, { bytes }] of this.#known) {
      if (present.has(key)) continue;
      this.#known.delete(key);
      this.#keptBytes -= bytes.length;
    }
    return answer('module-code', covers, findings, unseen);
  }

  #learn(look: KernelLook, key: string, module: LoadedModule, code: Stretch, unseen: Unseen): void {
    const bytes = readCode(look.space, code);
    if (bytes === null) {
      unseen.note('the code of a module cannot be read');
      return;
    }
    const packed = pack(bytes.subarray(marginBytes, bytes.length - marginBytes));
    if (this.#keptBytes + packed.length > keptBytesMax) {
      unseen.note('more module code than is kept');
      return;
    }
    const within = ({ offset }: { readonly offset: number }): boolean => offset >= code.start && offset < code.end;
    const traced = traceSites(look.space, look.baseline.map, unseen).filter(within);
    const sites = new PatchSites([...moduleSites(look.space, module), ...traced]);
    this.#known.set(key, { name: module.name, code, bytes: packed, sites });
    this.#keptBytes += packed.length;
  }
}

function compare(look: KernelLook, known: KnownModule, unseen: Unseen): readonly IntegrityFinding[] {
  const is = readCode(look.space, known.code);
  if (is === null) {
    unseen.note('the code of a module cannot be read');
    return [];
  }
  const was = unpack(known.bytes);
  if (was.equals(is.subarray(marginBytes, is.length - marginBytes))) return [];
  const { context, owners } = look;
  return unexplainedChanges({ offset: known.code.start, was, is }, { sites: known.sites, context, owners }).map(
    (change) => {
      const name = `module ${known.name}+0x${(change.offset - known.code.start).toString(16)}`;
      return {
        kind: change.site === null ? 'patched-module-code' : 'hook-in-patch-site',
        certainty: 'certain',
        subject: name,
        detail: `Code of the module ${known.name} was changed where the kernel never changes it.`,
        facts: {
          address: hex(atOffset(look.space, change.offset)),
          was: change.was.toString('hex'),
          is: change.is.toString('hex'),
        },
      };
    },
  );
}

/** With a margin of zeros at both ends; page by page, as modules are mapped. Null when a page is gone. */
function readCode(space: KernelSpace, { start, end }: Stretch): Buffer | null {
  if (end - start > codeBytesMax) return null;
  const bytes = Buffer.alloc(end - start + 2 * marginBytes);
  for (let at = start; at < end;) {
    const length = Math.min(end - at, pageBytes - ((at + space.image.textLow) % pageBytes));
    const physical = locate(space, atOffset(space, at));
    if (physical === nowhere || !space.pages.memory.read(physical, bytes, at - start + marginBytes, length))
      return null;
    at += length;
  }
  return bytes;
}
