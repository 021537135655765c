// Finds a guest's RAM by asking its monitor, and opens it.
import type { Json } from '../../kit/canonical-json.ts';
import { asObject } from '../../kit/json-object.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import type { GuestMemory } from './guest-memory.ts';
import { parseMemoryTree } from './memory-map.ts';
import { openQemuMemory } from './qemu-memory.ts';
import type { MappedStretch } from './qemu-memory.ts';

const tooNew = 'This version of QEMU prints it differently: please report it with the output of `info mtree -f`.';

export interface AttachedMemory {
  readonly memory: GuestMemory;
  /** Looks whether memory was plugged in or out since, and reads by what is there from then on. A quarter of a millisecond. */
  readonly refresh: () => Promise<Result<void>>;
}

export async function attachMemory(monitor: Monitor, pid: number): Promise<Result<AttachedMemory>> {
  const [size, stretches] = await Promise.all([memoryBytes(monitor), findStretches(monitor)]);
  if (!stretches.ok) return stretches;
  const opened = openQemuMemory(pid, stretches.value);
  if (!opened.ok) return opened;
  const memory = opened.value;
  let known = size;
  const refresh = async (): Promise<Result<void>> => {
    const now = await memoryBytes(monitor);
    if (now === known || now === null) return ok(undefined);
    const found = await findStretches(monitor);
    const mapped = found.ok ? memory.remap(found.value) : found;
    if (mapped.ok) known = now;
    return mapped;
  };
  return ok({ memory, refresh });
}

/** How much memory the guest has, plugged modules included (`query-memory-size-summary`, qapi/machine.json); null = not told. */
export async function memoryBytes(monitor: Monitor): Promise<number | null> {
  const said = await monitor.execute('query-memory-size-summary');
  const { 'base-memory': base, 'plugged-memory': plugged = 0 } = (said.ok ? asObject(said.value) : null) ?? {};
  return typeof base === 'number' && typeof plugged === 'number' ? base + plugged : null;
}

/** Where QEMU maps the guest's RAM: what another process needs to open the same memory without a monitor. */
export async function findStretches(monitor: Monitor): Promise<Result<readonly MappedStretch[]>> {
  // Sent together: a monitor answers in order and each round trip costs about half a millisecond.
  const [tree, backends] = await Promise.all([monitor.hmp('info mtree -f'), monitor.execute('query-memdev')]);
  if (!tree.ok) return tree;
  const stretches = parseMemoryTree(tree.value, backends.ok ? backendNames(backends.value) : new Set());
  if (stretches.length === 0)
    return fail(problem('unreadable', 'Could not find the guest RAM in QEMU’s memory tree.', tooNew));

  // A RAM block is one mapping of QEMU's, so one question per block places all its stretches.
  const bases = new Map<string, number>();
  const mapped: MappedStretch[] = [];
  for (const stretch of stretches) {
    let base = bases.get(stretch.block);
    if (base === undefined) {
      const answer = await monitor.hmp(`gpa2hva 0x${stretch.start.toString(16)}`);
      if (!answer.ok) return answer;
      const found = / is 0x([0-9a-f]{1,16})/.exec(answer.value)?.[1];
      if (found === undefined)
        return fail(problem('unreadable', `QEMU did not say where its RAM block ${stretch.block} lies.`, tooNew));
      base = Number.parseInt(found, 16) - stretch.blockOffset;
      bases.set(stretch.block, base);
    }
    mapped.push({ ...stretch, hostAddress: base + stretch.blockOffset });
  }
  return ok(mapped);
}

function backendNames(value: Json): ReadonlySet<string> {
  if (!Array.isArray(value)) return new Set();
  const rows = value as readonly { readonly id?: Json }[];
  return new Set(rows.flatMap((row) => (typeof row.id === 'string' ? [row.id] : [])));
}
