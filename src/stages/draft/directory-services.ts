// What belonging to a Windows domain brings with it. A machine that was seen to take tickets from a domain controller, or to ask its
// directory, will use the controller's other services as well; a controller that was seen to serve some machines of a network serves
// all of them. That is what a domain is, so that it need not be seen again for each port and each machine. Ports of administration
// (files, remote management) are not part of it.
import type { Behaviour } from '../../model/behaviour.ts';
import type { Protocol } from '../../model/observation.ts';
import type { ProfileEntry } from '../../model/profile.ts';
import { parseAddress, prefixOf, printPrefix } from '../../pattern/address.ts';
import { isPrivate } from '../../pattern/peer-pattern.ts';

interface Service {
  readonly exe: string;
  readonly proto: Protocol;
  readonly port: string;
}

const authority = 'c:\\windows\\system32\\lsass.exe';
const serviceHost = 'c:\\windows\\system32\\svchost.exe';
const endpointPorts = '49152-65535';

function services(exe: string, ...said: readonly (readonly [Protocol, string])[]): readonly Service[] {
  return said.map(([proto, port]) => ({ exe, proto, port }));
}

/** Microsoft, "How to configure a firewall for Active Directory domains and trusts" and KB 832017: Kerberos, LDAP, their TLS and
 * global catalogue forms, password changes, time, and the endpoint mapper with the ports it tells. */
const directory = [
  ...services(authority, ['tcp', '88'], ['udp', '88'], ['tcp', '389'], ['udp', '389'], ['tcp', '464'], ['udp', '464']),
  ...services(authority, ['tcp', '636'], ['tcp', '3268'], ['tcp', '3269'], ['tcp', endpointPorts]),
  ...services(serviceHost, ['udp', '123']),
];
const asMember: readonly Service[] = [
  ...directory,
  ...services(authority, ['tcp', '135']),
  ...services(serviceHost, ['tcp', '389'], ['udp', '389'], ['tcp', '135'], ['tcp', endpointPorts]),
];
const asController: readonly Service[] = [
  ...directory,
  ...services(serviceHost, ['tcp', '135']),
  ...services('c:\\windows\\system32\\dns.exe', ['tcp', '53'], ['udp', '53']),
];

/**
 * Where the local security authority shows a domain: Kerberos and LDAP; and the secure channel of a member to its controller, which
 * begins at the endpoint mapper ([MS-NRPC] 2.1).
 */
const domainPorts = { outbound: new Set(['88', '389', '135']), inbound: new Set(['88', '389']) } as const;

/** The network of a client: its site, within which a domain's machines lie. */
const siteLengths = { 32: 16, 128: 48 } as const;

/** A behaviour nobody need have seen, and since when it follows from what was seen. */
export interface Implied {
  readonly behaviour: Behaviour;
  readonly at: string;
}

/** What follows from the entries and is not among them. */
export function directoryServices(entries: readonly ProfileEntry[]): readonly Implied[] {
  const since = { outbound: new Map<string, string>(), inbound: new Map<string, string>() } as const;
  for (const { behaviour, firstAt } of entries) {
    const peer = domainPeer(behaviour);
    if (peer === null || (behaviour.kind !== 'outbound' && behaviour.kind !== 'inbound')) continue;
    const of = since[behaviour.kind];
    const known = of.get(peer);
    if (known === undefined || firstAt < known) of.set(peer, firstAt);
  }
  const imply = (kind: 'outbound' | 'inbound', of: readonly Service[]): readonly Implied[] =>
    [...since[kind]].flatMap(([peer, at]) => of.map((service) => ({ behaviour: { kind, ...service, peer }, at })));
  return [...imply('outbound', asMember), ...imply('inbound', asController)];
}

/** The controller that was asked, or the network of a machine that asked; null for what shows nothing of a domain. */
function domainPeer(behaviour: Behaviour): string | null {
  if (behaviour.kind !== 'outbound' && behaviour.kind !== 'inbound') return null;
  const { exe, port, peer } = behaviour;
  if (exe !== authority || !domainPorts[behaviour.kind].has(port)) return null;
  if (parseAddress(peer) === null || !isPrivate(peer)) return null;
  return behaviour.kind === 'outbound' ? peer : siteOf(peer);
}

function siteOf(peer: string): string {
  const address = parseAddress(peer);
  return address === null ? peer : printPrefix(prefixOf(address, siteLengths[address.bits]));
}
