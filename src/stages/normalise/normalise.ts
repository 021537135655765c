// From what a sensor reports to an observation: one spelling for addresses, paths, times and arguments. It judges nothing; what
// cannot be an observation is a problem that names the field, in the same words each time, so that callers can count by reason.
import { problem } from '../../kit/problem.ts';
import { type Result, fail, ok } from '../../kit/result.ts';
import type { Observation, ProcessImage } from '../../model/observation.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import { parseAddress, printAddress, unmapped } from '../../pattern/address.ts';
import { isInMemoryOnly } from '../../pattern/executable-places.ts';
import { isEphemeral } from '../../pattern/port-pattern.ts';
import { boundArgv, boundText, splitCommandLine } from './command-line.ts';
import { directionOf } from './direction.ts';
import { canonicalTime } from './time.ts';
import { windowsPath, withOwnName } from './windows-path.ts';

export function normalise(event: RawEvent): Result<Observation> {
  switch (event.kind) {
    case 'process_start':
      return processOf(event);
    case 'net_connect':
      return connectionOf(event, 'outbound');
    case 'net_accept':
      return connectionOf(event, 'inbound');
    case 'net_listen':
      return listenerOf(event);
    case 'loss':
      return lossOf(event);
    case 'process_exit':
    case 'file':
      return fail(problem('refused', `kind ${event.kind} is not learned or judged.`));
  }
}

function seenOf(event: RawEvent): Pick<Observation, 'vm' | 'at' | 'evidence'> {
  return { vm: event.host, at: canonicalTime(event.ts), evidence: event.evidence ?? 'claimed' };
}

function lacks(event: RawEvent, field: string): Result<never> {
  return fail(problem('unreadable', `A ${event.kind} event without ${field} says too little to be used.`));
}

function processOf(event: RawEvent): Result<Observation> {
  const image = imageOf(event);
  if (image === null) return lacks(event, 'exe, argv or cmdline');
  const parentExe = event.parentExe === undefined ? null : pathOf(event.parentExe).path;
  const parentArgv = argvOf(event.parentArgv, event.parentCmdline);
  return ok({
    kind: 'process',
    ...seenOf(event),
    pid: event.pid ?? null,
    ppid: event.ppid ?? null,
    image,
    parent: parentExe === null && parentArgv === null ? null : { exe: parentExe, argv: parentArgv ?? [] },
    ancestors: ancestorsOf(event, parentExe),
    ...(event.alreadyRunning === true ? { alreadyRunning: true } : {}),
  });
}

function ancestorsOf(event: RawEvent, parentExe: string | null): string[] {
  if (event.ancestors !== undefined) return event.ancestors.map((path) => pathOf(path).path ?? '?');
  return parentExe === null ? [] : [parentExe];
}

function connectionOf(event: RawEvent, kind: 'outbound' | 'inbound'): Result<Observation> {
  if (event.proto === undefined) return lacks(event, 'proto');
  if (event.remoteAddr === undefined) return lacks(event, 'remoteAddr');
  // Each side's own port names the service; the caller's is made up for the occasion.
  if (kind === 'outbound' && event.remotePort === undefined) return lacks(event, 'remotePort');
  if (kind === 'inbound' && event.localPort === undefined) return lacks(event, 'localPort');
  const remoteAddr = addressOf(event.remoteAddr);
  if (remoteAddr === null) return lacks(event, 'an IP address as remoteAddr');
  return ok({
    kind: datagramDirection(event) ?? kind,
    ...seenOf(event),
    pid: event.pid ?? null,
    image: imageOf(event),
    proto: event.proto,
    localAddr: addressOf(event.localAddr ?? '') ?? '',
    localPort: event.localPort ?? 0,
    remoteAddr: reached(remoteAddr),
    remotePort: event.remotePort ?? 0,
  });
}

/** UDP has no connections: sensors report a server's answer as a call of the server's, and the answer to a caller as a call. */
function datagramDirection({ proto, localPort = 0, remotePort = 0 }: RawEvent): 'inbound' | 'outbound' | null {
  if (proto !== 'udp' || localPort === 0 || remotePort === 0) return null;
  const direction = directionOf({ proto, localPort, remotePort }, new Set());
  // Where the ports do not tell, the sensor does.
  return direction === directionOf({ proto, localPort: remotePort, remotePort: localPort }, new Set())
    ? null
    : direction;
}

function listenerOf(event: RawEvent): Result<Observation> {
  if (event.proto === undefined) return lacks(event, 'proto');
  if (event.localPort === undefined) return lacks(event, 'localPort');
  // A UDP socket has no listening state; on a port that the kernel hands out it waits for an answer, not for callers.
  if (event.proto === 'udp' && isEphemeral(event.localPort))
    return fail(problem('refused', 'A UDP socket on an ephemeral port is a client, not a listener.'));
  return ok({
    kind: 'listen',
    ...seenOf(event),
    pid: event.pid ?? null,
    image: imageOf(event),
    proto: event.proto,
    localAddr: addressOf(event.localAddr ?? '') ?? '',
    localPort: event.localPort,
  });
}

function lossOf(event: RawEvent): Result<Observation> {
  const seen = seenOf(event);
  return ok({
    kind: 'loss',
    ...seen,
    until: event.until === undefined ? seen.at : canonicalTime(event.until),
    missed: event.missed ?? null,
    reason: (event.reason ?? 'not said').toWellFormed().slice(0, 500),
  });
}

function imageOf(event: RawEvent): ProcessImage | null {
  const argv = argvOf(event.argv, event.cmdline);
  if ((event.exe ?? '') === '' && (argv ?? []).length === 0) return null;
  const { path, deleted } = pathOf(event.exe ?? '');
  const named = userOf(event.user);
  return {
    exe: path,
    deleted: deleted || event.deleted === true,
    argv: path === null ? (argv ?? []) : [...withOwnName(path, argv ?? [])],
    uid: event.uid ?? named,
    euid: event.euid ?? null,
  };
}

function argvOf(argv: readonly string[] | undefined, cmdline: string | undefined): string[] | null {
  if (argv !== undefined) return boundArgv(argv);
  return cmdline === undefined ? null : boundArgv(splitCommandLine(cmdline));
}

/** The kernel marks an unlinked file in its path (fs/d_path.c), and names a memfd as if it lay in the root directory. */
const deletedMark = ' (deleted)';

function pathOf(text: string): { readonly path: string | null; readonly deleted: boolean } {
  const deleted = text.endsWith(deletedMark);
  const path = boundText(deleted ? text.slice(0, -deletedMark.length) : text);
  if (path === '') return { path: null, deleted };
  const windows = windowsPath(path);
  if (windows !== null) return { path: windows, deleted };
  if (path.startsWith('memfd:')) return { path: `/${path}`, deleted: true };
  return { path, deleted: deleted || isInMemoryOnly(path) };
}

/** Names belong to one machine's table; only root has the same number everywhere. */
function userOf(user: string | undefined): number | null {
  if (user === 'root') return 0;
  return user !== undefined && /^[0-9]{1,10}$/.test(user) ? Number(user) : null;
}

function addressOf(text: string): string | null {
  const address = parseAddress(text);
  return address === null ? null : printAddress(unmapped(address));
}

/** Connecting to the unspecified address reaches the machine itself (Linux, tcp_v4_connect and tcp_v6_connect). */
function reached(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}
