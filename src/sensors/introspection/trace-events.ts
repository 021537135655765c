// One line of a trace as a raw event, in the same words in which a sweep would have reported it.
import type { RawEvent } from '../../model/raw-event.ts';
import type { TracedEvent, TraceLoss } from '../../introspection/trace/trace-event.ts';
import { isEphemeral } from './listening-ports.ts';

/** What an attempt and an event have in common. */
export type TracedFacts = Omit<TracedEvent, 'seq' | 'verdict'>;

const deletedMark = ' (deleted)';

/** Null for what no sweep reports either: forks that run their parent's program, changes of user, modules, bare binds. */
export function rawEventOf(host: string, line: TracedFacts | TraceLoss): RawEvent | null {
  switch (line.kind) {
    case 'exec':
      return { ...seen(host, line, 'process_start'), ...parentOf(line) };
    case 'exit':
      return seen(host, line, 'process_exit');
    case 'connect':
      return line.remotePort === null ? null : { ...seen(host, line, 'net_connect'), ...endsOf(line) };
    case 'accept':
      return { ...seen(host, line, 'net_accept'), ...endsOf(line) };
    case 'listen':
      return { ...seen(host, line, 'net_listen'), ...endsOf(line) };
    case 'bind':
      return isUdpListener(line) ? { ...seen(host, line, 'net_listen'), ...endsOf(line) } : null;
    case 'loss':
      return lossOf(host, line);
    case 'fork':
    case 'setuid':
    case 'module':
      return null;
  }
}

function seen(host: string, facts: TracedFacts, kind: RawEvent['kind']): RawEvent {
  const { ts, tgid, comm, uid, euid, exe, argv, ppid } = facts;
  const deleted = exe?.endsWith(deletedMark) === true;
  return {
    ts,
    host,
    kind,
    evidence: 'outside',
    pid: tgid,
    ppid,
    ...(exe === null ? {} : { exe: deleted ? exe.slice(0, -deletedMark.length) : exe, deleted }),
    ...(argv === null ? {} : { argv: [...argv] }),
    comm,
    uid,
    euid,
  };
}

function parentOf({ parentExe, parentArgv, ancestors }: TracedFacts): Partial<RawEvent> {
  return {
    ...(parentExe === null ? {} : { parentExe }),
    ...(parentArgv === null ? {} : { parentArgv: [...parentArgv] }),
    ...(ancestors.length === 0 ? {} : { ancestors: ancestors.slice(0, 64) }),
  };
}

function endsOf({ proto, localAddr, localPort, remoteAddr, remotePort }: TracedFacts): Partial<RawEvent> {
  return {
    ...(proto === null ? {} : { proto }),
    ...(localAddr === null ? {} : { localAddr }),
    ...(localPort === null ? {} : { localPort }),
    ...(remoteAddr === null ? {} : { remoteAddr }),
    ...(remotePort === null ? {} : { remotePort }),
  };
}

/** UDP has no listen(2): a socket bound to a port of its own choice waits for callers. */
function isUdpListener({ proto, localPort }: TracedFacts): boolean {
  return proto === 'udp' && localPort !== null && localPort !== 0 && !isEphemeral(localPort);
}

function lossOf(host: string, { from, until, missed, reason }: TraceLoss): RawEvent {
  return {
    ts: from,
    until,
    host,
    kind: 'loss',
    evidence: 'outside',
    ...(missed === null ? {} : { missed }),
    reason: reason.slice(0, 500),
  };
}
