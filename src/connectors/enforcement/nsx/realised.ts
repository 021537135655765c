// What NSX shows of a measure that is in force: the VM's tag, the group's members, the policy's rules, and how far each is realised.
// Source: NSX-T Data Center REST API, types Group, Condition, ConsolidatedRealizedStatus.
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { ok, type Result } from '../../../kit/result.ts';
import type { NsxResult } from '../../../protocols/nsx/nsx-answer.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import { listNsx } from '../../../protocols/nsx/nsx-list.ts';
import { policyPath } from '../../../protocols/nsx/nsx-path.ts';
import type { FoundMeasure } from '../verified-measure.ts';
import { unfilteredReason } from './filtered-cards.ts';
import {
  groupAt,
  intentPathOf,
  ownScope,
  policyAt,
  type PolicyShelf,
  revisionOf,
  shelfOf,
  type VmObjects,
} from './object-names.ts';
import { placeAmong, policyFault } from './order-policy.ts';
import type { PolicyNote } from './policy-note.ts';
import { redirectionFault } from './redirection-policy.ts';
import { readLead } from './service-chain.ts';
import { carries, readVm } from './vm-tag.ts';

/** What stands in the way of every policy of this VM; null = nothing. */
export type Ground = { readonly fault: string | null };

export function ownGroup({ groupId, tag }: VmObjects, before: JsonObject | null): JsonObject {
  return {
    ...revisionOf(before ?? {}),
    resource_type: 'Group',
    display_name: groupId,
    description: 'Made by Plumbline for one VM, by the tag that it put there.',
    tags: [{ scope: ownScope, tag: 'group' }],
    expression: [
      {
        resource_type: 'Condition',
        member_type: 'VirtualMachine',
        key: 'Tag',
        operator: 'EQUALS',
        value: `${tag.scope}|${tag.tag}`,
      },
    ],
  };
}

export function isOwnGroup(group: JsonObject, objects: VmObjects): boolean {
  const [wanted] = ownGroup(objects, null)['expression'] as readonly JsonObject[];
  const said = asList(group['expression'], 2);
  const [condition] = said.map((each) => asObject(each));
  return said.length === 1 && Object.entries(wanted ?? {}).every(([field, value]) => condition?.[field] === value);
}

export async function readGroundOf(client: NsxClient, objects: VmObjects): Promise<Result<Ground>> {
  const { externalId, tag } = objects;
  const [vm, unfiltered, group, members, status] = await Promise.all([
    readVm(client, externalId),
    unfilteredReason(client, externalId),
    client.ask('GET', groupAt(objects)),
    listNsx(client, groupAt(objects, 'members', 'virtual-machines'), 1),
    realisation(client, objects.groupPath, null),
  ]);
  if (!vm.ok) return vm;
  if (!unfiltered.ok) return unfiltered;
  if (vm.value === null) return ok({ fault: 'NSX knows no VM of that id any more' });
  if (unfiltered.value !== null) return ok({ fault: unfiltered.value });
  if (!group.ok) return group.error.status === 404 ? ok({ fault: 'its group is not there' }) : group;
  if (!isOwnGroup(group.value, objects)) return ok({ fault: 'its group was changed' });
  if (!carries(vm.value, tag)) return ok({ fault: 'the VM does not carry its tag' });
  if (!members.ok) return members;
  const ids = members.value.items.map((member) => asText(member['external_id']) ?? asText(member['id']));
  if (!ids.includes(externalId)) return ok({ fault: 'NSX does not count the VM to its group' });
  if (!status.ok) return status;
  return ok({ fault: status.value === null ? null : `its group is not realised: ${status.value}` });
}

/** `all`: every policy of the same shelf. */
export async function readMeasure(
  client: NsxClient,
  externalId: string,
  note: PolicyNote,
  ground: Ground,
  all: readonly JsonObject[],
): Promise<Result<FoundMeasure>> {
  const { id, kind, vm, digest, policyId } = note;
  const shelf = shelfOf(kind);
  const found = (missing: string | null, words: string): Result<FoundMeasure> =>
    ok({ id, kind, vm, digest, missing, endsInMs: null, words });
  if (note.isGoing) return found('NSX is taking it away', `${sayShelf(shelf)} ${policyId} is being taken away`);
  const policy = await client.ask('GET', policyAt(shelf, policyId));
  if (!policy.ok)
    return policy.error.status === 404
      ? found('its policy is not there', `${sayShelf(shelf)} ${policyId} is gone`)
      : policy;
  const effect = await readEffect(client, externalId, note, policy.value);
  if (!effect.ok) return effect;
  const { before, beside } = placeAmong(policy.value, all, shelf);
  // A firewall policy is put before others of its number; a redirection policy cannot be.
  const first = shelf === 'redirection-policies' ? [...before, ...beside] : before;
  const fault = effect.value.fault ?? behind(first) ?? ground.fault;
  const words = [
    `${sayShelf(shelf)} ${policyId} ${effect.value.words}`,
    ...(beside.length === 0 ? [] : [`beside it NSX asks ${beside.slice(0, 3).join(', ')}`]),
  ].join('; ');
  if (fault !== null) return found(fault, words);
  const status = await realisation(client, intentPathOf(shelf, policyId), policy.value);
  if (!status.ok) return status;
  return found(status.value === null ? null : `its policy is not realised: ${status.value}`, words);
}

/** What the policy does, and what of it is not as it was ordered; `fault` null = nothing. */
async function readEffect(
  client: NsxClient,
  externalId: string,
  note: PolicyNote,
  policy: JsonObject,
): Promise<Result<{ readonly fault: string | null; readonly words: string }>> {
  if (note.kind === 'reroute') {
    const lead = await readLead(client, externalId, policy);
    if (!lead.ok) return lead;
    const { fault, words } = lead.value;
    return ok({ fault: redirectionFault(policy, note) ?? fault, words: `leads all cards of the VM ${words}` });
  }
  const due = note.until === null ? '' : `; until it is released, which is due at ${note.until}`;
  return ok({ fault: policyFault(policy, note), words: `drops at all cards of the VM${due}` });
}

function sayShelf(shelf: PolicyShelf): string {
  return shelf === 'security-policies' ? 'security policy' : 'redirection policy';
}

function behind(before: readonly string[]): string | null {
  return before.length === 0 ? null : `NSX asks other policies first: ${before.slice(0, 3).join(', ')}`;
}

/** Null = realised; otherwise how far it is. `read`: the object as it is intended, so that an older revision does not pass for it. */
async function realisation(
  client: NsxClient,
  intent: string,
  read: JsonObject | null,
): Promise<NsxResult<string | null>> {
  const status = await client.ask('GET', policyPath(['infra', 'realized-state', 'status'], { intent_path: intent }));
  if (!status.ok) return status.error.status === 404 ? ok('nothing of it is yet') : status;
  const publish = asText(status.value['publish_status']) ?? 'REALIZED';
  const consolidated = asText(asObject(status.value['consolidated_status'])?.['consolidated_status']) ?? 'none';
  if (publish !== 'REALIZED' || consolidated !== 'SUCCESS') return ok(`${publish}, ${consolidated}`.slice(0, 80));
  const version = Number(asText(status.value['intent_version']) ?? Number.NaN);
  const revision = read?.['_revision'];
  return ok(typeof revision === 'number' && version < revision ? `revision ${version} of ${revision} is` : null);
}
