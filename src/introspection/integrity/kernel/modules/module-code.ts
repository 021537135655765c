// The code of each module against what it was when it was first seen running. There is no earlier truth: a module is trusted at its
// first look, and held to it from then on.
import { nowhere } from '../../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../../kernel/kernel-space.ts';
import type { IntegrityCheck, IntegrityFinding } from '../../integrity-view.ts';
import { marginBytes, unexplainedChanges } from '../code/compare-code.ts';
import { answer } from '../kernel-look.ts';
import type { KernelLook } from '../kernel-look.ts';
import { sliceBytes } from '../kept-bytes.ts';
import type { KeptBytes, KeptSlice } from '../kept-bytes.ts';
import { atOffset, hex, locate } from '../hooks/kernel-pointer.ts';
import type { LoadedModule, Stretch } from './loaded-modules.ts';
import { PatchSites } from '../code/patch-sites.ts';
import type { PatchSite } from '../code/patch-sites.ts';
import { moduleSites, traceSites } from '../code/runtime-sites.ts';
import { Unseen } from '../../unseen.ts';

const covers =
  'Every byte of the code of every running module against what it was when this module was first seen; places the kernel patches are judged as in the kernel’s own code.';
const codeBytesMax = 32 * 1024 * 1024;
const pageBytes = 4096;

interface KnownModule {
  readonly name: string;
  readonly code: Stretch;
  readonly slices: readonly KeptSlice[];
  readonly sites: PatchSites;
}

interface NewModule {
  readonly key: string;
  readonly module: LoadedModule;
  readonly code: Stretch;
}

/** Remembers modules from look to look; one for each guest. */
export class ModuleCode {
  readonly #known = new Map<string, KnownModule>();
  readonly #kept: KeptBytes;

  constructor(kept: KeptBytes) {
    this.#kept = kept;
  }

  check(look: KernelLook): IntegrityCheck {
    const unseen = new Unseen();
    const findings: IntegrityFinding[] = [];
    const present = new Set<string>();
    const fresh: NewModule[] = [];
    for (const module of look.modules) {
      const [code] = module.code;
      // Code that only runs while a module is loaded goes away in the middle of a look.
      if (!module.live || code === undefined) continue;
      const key = `${module.address} ${module.name} ${code.start} ${code.end}`;
      present.add(key);
      const known = this.#known.get(key);
      if (known === undefined) fresh.push({ key, module, code });
      else findings.push(...this.#compare(look, known, unseen));
    }
    for (const [key, { slices }] of this.#known) {
      if (present.has(key)) continue;
      this.#known.delete(key);
      this.#drop(slices);
    }
    this.#learn(look, fresh, unseen);
    return answer('module-code', covers, findings, unseen);
  }

  /** Together: the list of functions that can be traced is long, and is gone through once. */
  #learn(look: KernelLook, fresh: readonly NewModule[], unseen: Unseen): void {
    if (fresh.length === 0) return;
    const isWithin = (offset: number, { code }: NewModule): boolean => offset >= code.start && offset < code.end;
    const traced = traceSites(look.space, look.baseline.map, unseen, (offset) =>
      fresh.some((one) => isWithin(offset, one)),
    );
    for (const one of fresh) {
      const bytes = readCode(look.space, one.code);
      if (bytes === null) {
        unseen.note('the code of a module cannot be read');
        continue;
      }
      const slices = this.#keep(bytes.subarray(marginBytes, bytes.length - marginBytes));
      if (slices === null) {
        unseen.note('more module code than is kept');
        continue;
      }
      const own = traced.filter(({ offset }: PatchSite) => isWithin(offset, one));
      const sites = new PatchSites([...moduleSites(look.space, one.module), ...own]);
      this.#known.set(one.key, { name: one.module.name, code: one.code, slices, sites });
    }
  }

  #keep(bytes: Buffer): readonly KeptSlice[] | null {
    const slices: KeptSlice[] = [];
    for (let at = 0; at < bytes.length; at += sliceBytes) {
      const slice = this.#kept.keep(bytes.subarray(at, at + sliceBytes));
      if (slice === null) {
        this.#drop(slices);
        return null;
      }
      slices.push(slice);
    }
    return slices;
  }

  #drop(slices: readonly KeptSlice[]): void {
    for (const slice of slices) this.#kept.drop(slice);
  }

  #compare(look: KernelLook, known: KnownModule, unseen: Unseen): readonly IntegrityFinding[] {
    const seen = known.slices.map((slice, index) =>
      this.#kept.compare(slice, (into) => readMapped(look.space, known.code.start + index * sliceBytes, into)),
    );
    if (seen.every((one) => one === 'same')) return [];
    const is = seen.includes('unreadable') ? null : readCode(look.space, known.code);
    if (is === null) {
      unseen.note('the code of a module cannot be read');
      return [];
    }
    const was = known.slices.map((slice) => this.#kept.bytes(slice)).filter((bytes) => bytes !== null);
    if (was.length < known.slices.length) {
      unseen.note('changed code of a module whose earlier bytes were lost');
      return [];
    }
    return changesOf(look, known, Buffer.concat(was), is);
  }
}

function changesOf(look: KernelLook, known: KnownModule, was: Buffer, is: Buffer): readonly IntegrityFinding[] {
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

/** With a margin of zeros at both ends; null when a page is gone. */
function readCode(space: KernelSpace, { start, end }: Stretch): Buffer | null {
  if (end - start > codeBytesMax) return null;
  const bytes = Buffer.alloc(end - start + 2 * marginBytes);
  return readMapped(space, start, bytes.subarray(marginBytes, bytes.length - marginBytes)) ? bytes : null;
}

/** Fills `into` with what lies from `start` on: page by page, as modules are mapped. False when a page is gone. */
function readMapped(space: KernelSpace, start: number, into: Buffer): boolean {
  for (let done = 0; done < into.length;) {
    const at = start + done;
    const length = Math.min(into.length - done, pageBytes - ((at + space.image.textLow) % pageBytes));
    const physical = locate(space, atOffset(space, at));
    if (physical === nowhere || !space.pages.memory.read(physical, into, done, length)) return false;
    done += length;
  }
  return true;
}
