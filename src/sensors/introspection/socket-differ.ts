// From successive sweeps of one guest to the listeners and connections that appeared in it, each with the program that
// holds it. A socket without an owner is attributed only when its owner was seen before, by its addresses and ports.
import { isoTime } from '../../kit/clock.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { RawEvent } from '../../model/raw-event.ts';
import type { SocketView, SweepResult } from '../../introspection/guest/guest-view.ts';
import { isEphemeral, ListeningPorts } from './listening-ports.ts';
import type { Program } from './program.ts';

export type ProgramLookup = (pid: number) => Program | undefined;

type SocketKind = 'net_listen' | 'net_connect' | 'net_accept';

interface Record {
  /** Taken for the owner as long as it holds the socket, and after that when nobody else does. */
  owner: Program | null;
  /** Executables it was reported with; '' = reported without an owner. */
  readonly reportedAs: Set<string>;
  /** Looks in which the owner's program could not be read. */
  looksInTheDark: number;
  looks: number;
  seenMs: number;
}

export interface SocketChanges {
  readonly events: readonly RawEvent[];
  /** An owner is in the middle of an execve: look again within milliseconds. */
  readonly lookAgain: boolean;
  /** Sockets that left the table before their time because it was full. */
  readonly evicted: number;
}

export interface SocketDifferOptions {
  readonly host: string;
  readonly tableMax: number;
}

/** Longer than TIME_WAIT (60 s), so that a connection keeps its owner to its very end. */
const rememberMs = 120_000;
const darkLooksMax = 3;
const ownersMax = 16;
const standardErrorFd = 2;

export class SocketDiffer {
  readonly #host: string;
  readonly #records: RecentMap<string, Record>;
  readonly #ports = new ListeningPorts();

  constructor(options: SocketDifferOptions) {
    this.#host = options.host;
    this.#records = new RecentMap(options.tableMax);
  }

  get size(): number {
    return this.#records.size;
  }

  /** The next sweep reports every socket again, with the owner it is known to have had. */
  restate(): void {
    for (const record of this.#records.values()) record.reportedAs.clear();
  }

  next(sweep: SweepResult, programs: ProgramLookup): SocketChanges {
    this.#ports.update(sweep.sockets, sweep.takenMs);
    const evictedBefore = this.#records.evicted;
    const events: RawEvent[] = [];
    let lookAgain = false;
    for (const socket of sweep.sockets) {
      const kind = this.#kindOf(socket);
      if (kind === null) continue;
      const key = keyOf(socket, kind);
      const record = this.#records.get(key) ?? this.#begin(key);
      record.seenMs = sweep.takenMs;
      record.looks += 1;
      const outcome = mayBeIdle(socket, kind) && record.looks === 1 ? 'wait' : settle(record, socket, kind, programs);
      if (outcome === 'wait') lookAgain = true;
      else if (outcome !== null) events.push(this.#event(kind, socket, outcome.program, isoTime(sweep.takenMs)));
    }
    this.#forgetOld(sweep.takenMs);
    return { events, lookAgain, evicted: this.#records.evicted - evictedBefore };
  }

  #begin(key: string): Record {
    const record: Record = { owner: null, reportedAs: new Set(), looksInTheDark: 0, looks: 0, seenMs: 0 };
    this.#records.set(key, record);
    return record;
  }

  #kindOf(socket: SocketView): SocketKind | null {
    if (socket.remotePort === 0) {
      if (socket.protocol === 'tcp') return socket.state === 'LISTEN' ? 'net_listen' : null;
      // An unconnected UDP socket on an ephemeral port is a client waiting for an answer.
      return socket.localPort === 0 || isEphemeral(socket.localPort) ? null : 'net_listen';
    }
    // A half-open request may be nobody's wish but a scanner's; it counts when it is established.
    if (socket.state === 'NEW_SYN_RECV' || socket.state === 'SYN_RECV') return null;
    if (socket.protocol === 'tcp' && (socket.state === 'CLOSE' || socket.state === 'BOUND_INACTIVE')) return null;
    // Only the side that connects is ever in SYN_SENT, whatever its port.
    if (socket.state === 'SYN_SENT') return 'net_connect';
    return this.#ports.has(socket) ? 'net_accept' : 'net_connect';
  }

  /** Records are kept in the order of their last sight, so that the old ones stand first. */
  #forgetOld(nowMs: number): void {
    for (const [key, record] of this.#records.entries()) {
      if (nowMs - record.seenMs <= rememberMs) return;
      this.#records.delete(key);
    }
  }

  #event(kind: SocketKind, socket: SocketView, program: Program | null, at: string): RawEvent {
    const remote = kind === 'net_listen' ? {} : { remoteAddr: socket.remoteAddress, remotePort: socket.remotePort };
    return {
      ts: at,
      host: this.#host,
      kind,
      evidence: 'outside',
      proto: socket.protocol,
      localAddr: socket.localAddress,
      localPort: socket.localPort,
      ...remote,
      ...(program === null ? {} : ownerFields(program)),
    };
  }
}

/** A connection that turns around (seen in SYN_SENT first) keeps its first key's record: the direction is no part of it. */
function keyOf(socket: SocketView, kind: string): string {
  const local = `${socket.protocol}${socket.family} ${socket.netNamespace} ${socket.localAddress} ${socket.localPort}`;
  return kind === 'net_listen' ? local : `${local} ${socket.remoteAddress} ${socket.remotePort}`;
}

/** What is new about a socket: a program to report it with (null = nobody's), nothing, or nothing yet. */
function settle(
  record: Record,
  socket: SocketView,
  kind: SocketKind,
  programs: ProgramLookup,
): { program: Program | null } | 'wait' | null {
  if (kind === 'net_connect' && isLeftToChildren(record, socket, programs)) return null;
  const owner = ownerOf(record, socket, programs) ?? (socket.holders.length === 0 ? record.owner : null);
  if (owner === null || owner.exe === null) {
    if (record.reportedAs.size > 0) return null;
    record.looksInTheDark += 1;
    // An established connection nobody holds waits to be accepted; any other one has been left already.
    const mayGetOne = socket.holders.length > 0 || socket.state === 'ESTABLISHED';
    if (mayGetOne && record.looksInTheDark < darkLooksMax) return 'wait';
    record.reportedAs.add('');
    return { program: null };
  }
  record.owner = owner;
  record.looksInTheDark = 0;
  const as = `${owner.exe}${owner.deleted ? '\0' : ''}`;
  if (record.reportedAs.has(as)) return null;
  if (record.reportedAs.size < ownersMax) record.reportedAs.add(as);
  return { program: owner };
}

/**
 * The owner stays the owner while it holds the socket: a child that inherits it for a moment is no second one. Otherwise
 * it is the holder that started first; the pid says nothing, pids wrap around.
 */
function ownerOf(record: Record, socket: SocketView, programs: ProgramLookup): Program | null {
  let first: Program | null = null;
  for (const { pid } of socket.holders) {
    const program = programs(pid);
    if (program === undefined) continue;
    if (program.id === record.owner?.id) return program;
    if (first === null || program.startedAfterBootUs < first.startedAfterBootUs) first = program;
  }
  return first;
}

/**
 * Connecting a UDP socket sends nothing: resolvers and time daemons do it to learn which way a peer is, and close it at once. One
 * that waits for an answer is there at the next look.
 */
function mayBeIdle({ protocol }: SocketView, kind: SocketKind): boolean {
  return protocol === 'udp' && kind === 'net_connect';
}

/** A descriptor that was not meant for a child (no close-on-exec) outlives its parent's in it; what a child is given to talk to is its standard input or output. */
function isLeftToChildren({ owner }: Record, { holders }: SocketView, programs: ProgramLookup): boolean {
  if (owner === null || holders.length === 0) return false;
  return holders.every(({ pid, fd }) => fd > standardErrorFd && programs(pid)?.parentPid === owner.pid);
}

function ownerFields(program: Program): Partial<RawEvent> {
  return {
    pid: program.pid,
    uid: program.uid,
    euid: program.euid,
    ...(program.exe === null ? {} : { exe: program.exe, deleted: program.deleted }),
    ...(program.argv === null ? {} : { argv: [...program.argv] }),
  };
}
