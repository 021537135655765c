// A Proxmox VE VM's network cards: the `netN` strings of its configuration, read, and written back with the link down or up and
// everything else as it was. Nothing else may change, or the card would be pulled and plugged in anew.
import { asText, type JsonObject } from '../../../kit/json-object.ts';
import {
  isTrue,
  parsePropertyString,
  printPropertyString,
  type Property,
  valueOf,
  withProperty,
} from '../../../protocols/proxmox/property-string.ts';

export interface NetworkCard {
  /** `net0` ... */
  readonly id: string;
  readonly mac: string;
  /** Null = on QEMU's own user network, where a link cannot be changed without pulling the card. */
  readonly bridge: string | null;
  /** Bridge and VLAN, as a person may read it. */
  readonly network: string;
  readonly isLinkDown: boolean;
  /** Whether the firewall's rules hold for this card. */
  readonly isFirewalled: boolean;
  /** As it stands in the configuration. */
  readonly text: string;
  readonly properties: readonly Property[];
}

export const cardName = /^net(?:[0-9]|[12][0-9]|3[01])$/;
const hardwareAddress = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i;

export function readCards(config: JsonObject): readonly NetworkCard[] {
  return Object.keys(config)
    .filter((key) => cardName.test(key))
    .toSorted((one, other) => Number(one.slice(3)) - Number(other.slice(3)))
    .flatMap((id) => cardOf(id, asText(config[id]) ?? '') ?? []);
}

/** Null for what says no hardware address, or is not of the platform's form. */
function cardOf(id: string, text: string): NetworkCard | null {
  const properties = parsePropertyString(text);
  // `virtio=MAC`, or `model=virtio,macaddr=MAC`.
  const mac = properties?.find(({ key, value }) => key !== null && key !== 'bridge' && hardwareAddress.test(value));
  if (properties === null || mac === undefined) return null;
  const [bridge, tag] = [valueOf(properties, 'bridge'), valueOf(properties, 'tag')];
  return {
    id,
    mac: mac.value.toLowerCase(),
    bridge,
    network: `${bridge ?? 'user network'}${tag === null ? '' : ` vlan ${tag}`}`.slice(0, 256),
    isLinkDown: isTrue(valueOf(properties, 'link_down')),
    isFirewalled: isTrue(valueOf(properties, 'firewall')),
    text,
    properties,
  };
}

export function withLink({ properties }: NetworkCard, isDown: boolean): string {
  return printPropertyString(withProperty(properties, 'link_down', isDown ? '1' : null));
}
