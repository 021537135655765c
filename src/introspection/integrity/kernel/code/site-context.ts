// What the value of a patch site is judged by: the guest's keys, tracers, probes and owners of code as they are now.
import type { KernelSpace } from '../../../kernel/kernel-space.ts';
import { wordAtOffset } from '../modules/code-owners.ts';
import type { CodeOwners, Probe } from '../modules/code-owners.ts';
import type { KernelMap } from '../kernel-map.ts';
import { codeOffset, isNull } from '../hooks/kernel-pointer.ts';
import type { SiteContext } from './patch-sites.ts';

export function siteContext(
  space: KernelSpace,
  map: KernelMap,
  owners: CodeOwners,
  probes: readonly Probe[],
): SiteContext {
  const entries = new Set(map.tracerEntries);
  const returns = new Set(map.returnThunks);
  const probed = new Set(probes.map(({ offset }) => offset));
  const keyAt = space.profile.fields['static_call_key.func'] ?? 0;
  return {
    keyed(keyOffset) {
      const word = wordAtOffset(space, keyOffset + keyAt);
      if (word === null) return null;
      return isNull(word) ? 0 : codeOffset(space, word);
    },
    isTracer(offset) {
      if (entries.has(offset)) return true;
      const owner = owners.of(offset);
      return owner !== null && owner.kind !== 'kernel' && owner.kind !== 'probe';
    },
    isReturn: (offset) => returns.has(offset),
    isCode: (offset) => owners.of(offset) !== null,
    isProbed: (offset) => probed.has(offset),
  };
}
