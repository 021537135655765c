// What ours is called in NSX. Every name is made of digits of a hash, so that no text of anybody's reaches a path, a group's condition or a tag.
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../../kit/json-object.ts';
import type { NetworkMeasureKind } from '../../../model/network-measure.ts';
import { type NsxPath, policyPath } from '../../../protocols/nsx/nsx-path.ts';

/** NSX compares tags without regard to case: all of ours are in lower case. */
export interface NsxTag {
  readonly scope: string;
  readonly tag: string;
}

/** What belongs to one VM: a tag on it, and a group of whatever carries that tag. */
export interface VmObjects {
  /** NSX's id of the VM. */
  readonly externalId: string;
  readonly tag: NsxTag;
  readonly groupId: string;
  /** As rules name the group. */
  readonly groupPath: string;
  readonly policyPrefix: string;
}

export const ownScope = 'plumbline';
const domain = ['infra', 'domains', 'default'] as const;

export function objectsOf(externalId: string): VmObjects {
  const key = digits(externalId, 24);
  const groupId = `plumbline-${key}`;
  return {
    externalId,
    tag: { scope: ownScope, tag: `vm-${key}` },
    groupId,
    groupPath: `/${domain.join('/')}/groups/${groupId}`,
    policyPrefix: `plumbline-${key}-`,
  };
}

/** One policy for each order on a card. */
export function policyIdOf({ policyPrefix }: VmObjects, card: string, id: string): string {
  return `${policyPrefix}${digits(`${card}/${id}`, 16)}`;
}

/** Where NSX keeps the policies that drop, and those that lead elsewhere. */
export type PolicyShelf = 'security-policies' | 'redirection-policies';

export function shelfOf(kind: NetworkMeasureKind): PolicyShelf {
  return kind === 'reroute' ? 'redirection-policies' : 'security-policies';
}

export function intentPathOf(shelf: PolicyShelf, policyId: string): string {
  return `/${domain.join('/')}/${shelf}/${policyId}`;
}

export function policiesAt(shelf: PolicyShelf): NsxPath {
  return policyPath([...domain, shelf]);
}

export function policyAt(shelf: PolicyShelf, policyId: string, query: Readonly<Record<string, string>> = {}): NsxPath {
  return policyPath([...domain, shelf, policyId], query);
}

export function groupAt({ groupId }: VmObjects, ...below: readonly string[]): NsxPath {
  return policyPath([...domain, 'groups', groupId, ...below]);
}

/** Revision of what was read, as whoever replaces it has to give it. */
export function revisionOf(read: JsonObject): { readonly _revision?: number } {
  const revision = read['_revision'];
  return typeof revision === 'number' ? { _revision: revision } : {};
}

function digits(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}
