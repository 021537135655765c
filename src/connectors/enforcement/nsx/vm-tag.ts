// Our tag on a VM. NSX's `update_tags` replaces all tags of a VM, whoever put them there, and is never sent from here: `add_tags` and
// `remove_tags` (NSX 3.1.2 and newer) change those alone that they name, so that no other writer's tag is lost between a reading and a
// writing. Others do send it: what was written is read again, and written again when somebody wrote over it.
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import { listNsx } from '../../../protocols/nsx/nsx-list.ts';
import { inventoryPath } from '../../../protocols/nsx/nsx-path.ts';
import type { NsxTag, VmObjects } from './object-names.ts';

const writesMax = 4;
const tagsMax = 256;

/** As NSX's inventory has it; null = no VM of that id is known there. */
export async function readVm(client: NsxClient, externalId: string): Promise<Result<JsonObject | null>> {
  const found = await listNsx(client, inventoryPath(['fabric', 'virtual-machines'], { external_id: externalId }), 1);
  if (!found.ok) return found;
  return ok(found.value.items.find((vm) => vm['external_id'] === externalId) ?? null);
}

export function tagsOf(vm: JsonObject): readonly NsxTag[] {
  return asList(vm['tags'], tagsMax).map((tag) => ({
    scope: asText(asObject(tag)?.['scope']) ?? '',
    tag: asText(asObject(tag)?.['tag']) ?? '',
  }));
}

export function carries(vm: JsonObject, { scope, tag }: NsxTag): boolean {
  return tagsOf(vm).some((other) => other.scope === scope && other.tag === tag);
}

/** Puts the tag on or takes it off, until it is read so; of a VM that is gone there is nothing to take off. */
export async function writeTag(client: NsxClient, objects: VmObjects, action: 'add' | 'remove'): Promise<Result<void>> {
  const { externalId, tag } = objects;
  const path = inventoryPath(['fabric', 'virtual-machines'], { action: `${action}_tags` });
  for (let writes = 0; ; writes += 1) {
    const vm = await readVm(client, externalId);
    if (!vm.ok) return vm;
    if (vm.value === null && action === 'add')
      return fail(problem('not-found', 'NSX knows no VM of that id any more.', 'List the platform again.'));
    if (vm.value === null || carries(vm.value, tag) === (action === 'add')) return ok(undefined);
    if (writes >= writesMax)
      return fail(
        problem(
          'interrupted',
          `The tag was written ${writes} times and is not so when it is read again.`,
          'Look who else writes the tags of this VM.',
        ),
      );
    const written = await client.ask('POST', path, { external_id: externalId, tags: [{ ...tag }] });
    if (!written.ok && written.error.kind !== 'interrupted') return written;
  }
}
