// The port group that a VM in quarantine is moved to: found by its name among the networks of the host that the VM runs on, since
// another host's network of that name is of no use to it.
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { readEach, readProperties } from '../../../protocols/vsphere/properties.ts';
import type { VimClient } from '../../../protocols/vsphere/vim-client.ts';
import { type ManagedObject, readReference } from '../../../protocols/vsphere/vim-message.ts';
import type { CardBacking } from './card-backing.ts';

const networksMax = 4096;

/** Refused when there is none of that name, when there are several, and when it is none that a card can be moved to. */
export async function findIsolationNetwork(
  client: VimClient,
  vm: ManagedObject,
  name: string,
): Promise<Result<CardBacking>> {
  const networks = await networksOf(client, vm);
  if (!networks.ok) return networks;
  const named = await readEach(client, networks.value, ['name']);
  if (!named.ok) return named;
  const found = named.value.objects.filter(({ values }) => plainName(values.get('name')?.text ?? '') === name);
  const [network] = found;
  const said = `isolation network ${JSON.stringify(name)}`;
  if (network === undefined)
    return fail(
      problem(
        'refused',
        `The host of ${vm.id} has no ${said}.`,
        'Make it there, or mend isolationNetwork in the configuration.',
      ),
    );
  if (found.length > 1)
    return fail(
      problem(
        'refused',
        `The host of ${vm.id} has ${found.length} networks of the name of ${said}.`,
        'Rename all but one.',
      ),
    );
  return await backingTo(client, network.object, name);
}

async function networksOf(client: VimClient, vm: ManagedObject): Promise<Result<readonly ManagedObject[]>> {
  const runtime = await readProperties(client, vm, ['runtime.host']);
  if (!runtime.ok) return runtime;
  const host = readReference(runtime.value.values.get('runtime.host') ?? null);
  if (host === null) return fail(problem('unreadable', `${client.place} does not say on which host ${vm.id} is.`));
  const read = await readProperties(client, host, ['network']);
  if (!read.ok) return read;
  const networks = (read.value.values.get('network')?.children ?? []).flatMap((each) => readReference(each) ?? []);
  if (networks.length <= networksMax) return ok(networks);
  return fail(problem('unreadable', `The host of ${vm.id} has more than ${networksMax} networks.`));
}

async function backingTo(client: VimClient, network: ManagedObject, name: string): Promise<Result<CardBacking>> {
  if (network.type === 'Network') return ok({ kind: 'standard', name });
  if (network.type !== 'DistributedVirtualPortgroup')
    return fail(
      problem(
        'refused',
        `Isolation network ${JSON.stringify(name)} is no port group of vSphere's, but a ${network.type}.`,
        'Name a standard or distributed port group; for networks of NSX use NSX itself.',
      ),
    );
  const read = await readProperties(client, network, ['key', 'config.distributedVirtualSwitch']);
  if (!read.ok) return read;
  const portgroupKey = read.value.values.get('key')?.text ?? '';
  const owner = readReference(read.value.values.get('config.distributedVirtualSwitch') ?? null);
  const owned = owner === null ? null : await readProperties(client, owner, ['uuid']);
  if (owned !== null && !owned.ok) return owned;
  const switchUuid = owned?.value.values.get('uuid')?.text ?? '';
  if (portgroupKey !== '' && switchUuid !== '') return ok({ kind: 'distributed', switchUuid, portgroupKey });
  return fail(problem('unreadable', `${client.place} does not say which switch ${JSON.stringify(name)} belongs to.`));
}

/** vSphere writes these three characters of a name as in a URL. */
function plainName(name: string): string {
  return name.replaceAll(/%(2f|5c|25)/gi, (escape) => decodeURIComponent(escape));
}
