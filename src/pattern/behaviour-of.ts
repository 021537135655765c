// The behaviour one activity stands for: what learning keeps of it, what allowing it allows, and what groups its repetitions.
import type { Behaviour } from '../model/behaviour.ts';
import type { Activity, ConnectionObservation, ProcessImage } from '../model/observation.ts';
import { parseAddress, parsePrefix, printAddress, unmapped } from './address.ts';
import { generaliseArgv, generalisePath } from './generalise.ts';
import { matchesPeer } from './peer-pattern.ts';

/**
 * Names are resolved by the C library on behalf of whatever program runs, so *who* asks a resolver is chance and *which*
 * resolver is asked is the behaviour. A program that should not run is a deviation by itself.
 */
const domainPort = 53;

/**
 * Services announced and looked for among the machines of one link: SSDP (UPnP Device Architecture), WS-Discovery, mDNS (RFC 6762),
 * LLMNR (RFC 4795). Everybody on the link is spoken to, so that neither who speaks nor the group's address tells anything.
 */
export const discoveryPorts: readonly number[] = [1900, 3702, 5353, 5355];
export const discoveryGroups = ['224.0.0.0/4', 'ff00::/8'] as const;
const discoveryBlocks = discoveryGroups.map((text) => ({ text, block: parsePrefix(text) }));

export function behaviourOf(activity: Activity): Behaviour {
  switch (activity.kind) {
    case 'process': {
      const { image, parent } = activity;
      return {
        kind: 'process',
        exe: exeOf(image),
        argv: generaliseArgv(image.exe, image.argv),
        user: activity.alreadyRunning === true ? userOfStart(image) : (userOf(image) ?? 'any'),
        parent: pathOf(parent?.exe ?? null),
      };
    }
    case 'outbound':
      return {
        kind: 'outbound',
        exe: activity.remotePort === domainPort ? '?' : exeOf(activity.image),
        proto: activity.proto,
        peer: peerOf(activity.remoteAddr),
        ...discoveryOf(activity, activity.remotePort),
        port: String(activity.remotePort),
      };
    case 'inbound':
      // The port the other end happened to use says nothing.
      return {
        kind: 'inbound',
        exe: exeOf(activity.image),
        proto: activity.proto,
        peer: peerOf(activity.remoteAddr),
        ...discoveryOf(activity, activity.localPort),
        port: String(activity.localPort),
      };
    case 'listen':
      return {
        kind: 'listen',
        exe: exeOf(activity.image),
        proto: activity.proto,
        port: String(activity.localPort),
      };
  }
}

function discoveryOf({ proto, remoteAddr }: ConnectionObservation, port: number): { exe: string; peer: string } | null {
  if (proto !== 'udp' || !discoveryPorts.includes(port)) return null;
  const group = discoveryBlocks.find(({ block }) => block !== null && matchesPeer(block, remoteAddr));
  return group === undefined ? null : { exe: '?', peer: group.text };
}

/** Whose rights a process has: the effective user, where it is known. */
export function effectiveUser(image: ProcessImage): number | null {
  return image.euid ?? image.uid;
}

function userOf(image: ProcessImage): string | null {
  const user = effectiveUser(image);
  // (uid_t)-1 and the like mean that there is none.
  return user === null || user < 0 || user > 0xff_ff_ff_ff ? null : String(user);
}

/**
 * A process found running shows the user it has become, not the one it started as: daemons start as root and drop their
 * rights. Only one that still is root tells how it began.
 */
function userOfStart(image: ProcessImage): string {
  return effectiveUser(image) === 0 ? '0' : 'any';
}

function exeOf(image: ProcessImage | null): string {
  return pathOf(image?.exe ?? null);
}

function pathOf(path: string | null): string {
  return path === null || path === '' ? '?' : generalisePath(path);
}

/** Every loopback address is the machine itself; IPv6 link-local ones change with the network card. */
function peerOf(text: string): string {
  if (matchesPeer('loopback', text)) return 'loopback';
  const address = parseAddress(text);
  if (address === null) return 'any';
  const plain = unmapped(address);
  return plain.bits === 128 && matchesPeer('link-local', text) ? 'link-local' : printAddress(plain);
}
