// How many of a service's VMs this host has, by the manifests it holds.
import type { Manifest } from '../../model/manifest.ts';
import type { ServiceMembers } from './standing-orders.ts';

export function membersOf(
  { scope, service, vm }: Manifest,
  held: readonly { readonly manifest: Manifest }[],
  isRunning: (vm: string) => boolean,
): ServiceMembers {
  const members = held.filter((other) => other.manifest.scope === scope && other.manifest.service === service);
  const others = members.filter((other) => other.manifest.vm !== vm);
  return { members: members.length, othersRunning: others.filter((other) => isRunning(other.manifest.vm)).length };
}
