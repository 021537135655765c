// Whether a rule of Proxmox VE's firewall does anything for a card: the firewall is switched on in three places, each of which is
// enough to keep it from working (pve-firewall's compile_iptables_filter), and none of which is ours to switch on.
import { asObject } from '../../../kit/json-object.ts';
import { type Problem, problem } from '../../../kit/problem.ts';
import type { ProxmoxClient } from '../../../protocols/proxmox/proxmox-client.ts';
import type { NetworkCard } from './network-cards.ts';
import type { VmPlace } from './vm-place.ts';

/** Null when rules hold. */
export async function blockObstacle(client: ProxmoxClient, vm: VmPlace, card: NetworkCard): Promise<Problem | null> {
  if (!card.isFirewalled)
    return problem(
      'refused',
      `Rules do not hold for network card ${card.id} of ${vm.name}: its firewall is off.`,
      'Set firewall=1 on the card; its connections are cut for a moment.',
    );
  const own = await vm.get(['firewall', 'options']);
  if (!own.ok) return own.error;
  if (!isOn(asObject(own.value)?.['enable']))
    return problem(
      'refused',
      `Rules do not hold for ${vm.name}: its firewall is off.`,
      'Switch it on in its options, after its policies were set: what comes in is dropped unless they say otherwise.',
    );
  const whole = await client.get(['cluster', 'firewall', 'options']);
  if (!whole.ok)
    return whole.error.fault === 'denied'
      ? problem(
          'refused',
          `Whether the firewall of ${client.place} is on at all may not be read, so that no rule can be relied on.`,
          'Give the account Sys.Audit on /.',
        )
      : whole.error;
  if (isOn(asObject(whole.value)?.['enable'])) return null;
  return problem(
    'refused',
    `Rules do not hold for any VM of ${client.place}: the firewall of the datacenter is off.`,
    'Switch it on there, after making sure that it lets you in.',
  );
}

/** A number, or text; the datacenter's may be the time at which it was switched on. */
function isOn(value: unknown): boolean {
  return Number(value ?? 0) > 0;
}
