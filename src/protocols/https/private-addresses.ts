// Which addresses are nobody's on the internet: this machine, its link, private networks. A name that leads there may have been
// pointed there by somebody else.
import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** IANA's special-purpose registries (RFC 6890): what is not globally reachable, and multicast. */
const blocks = new BlockList();
for (const [prefix, length] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const)
  blocks.addSubnet(prefix, length, 'ipv4');
for (const [prefix, length] of [
  ['::', 127],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  blocks.addSubnet(prefix, length, 'ipv6');

export function isPrivate(address: string): boolean {
  const family = isIP(address);
  return family === 0 || blocks.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

export class AddressRefused extends Error {}

/** Looks a name up and refuses it as a whole when one of its addresses is private: which one is used is not ours to choose. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  systemLookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '', 0);
    const inside = addresses.find(({ address }) => isPrivate(address));
    if (inside !== undefined) return callback(new AddressRefused(inside.address), '', 0);
    const [first] = addresses;
    if (options.all === true) callback(null, addresses);
    else callback(null, first?.address ?? '', first?.family ?? 0);
  });
};
