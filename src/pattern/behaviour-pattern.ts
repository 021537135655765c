// Whole behaviours as patterns: parsed once, asked often.
import type { Behaviour } from '../model/behaviour.ts';
import type { Activity, Protocol } from '../model/observation.ts';
import { type Result, ok } from '../kit/result.ts';
import { type ArgvPattern, matchesArgv, parseArgv, printArgv, subsumesArgv } from './argv-pattern.ts';
import { effectiveUser } from './behaviour-of.ts';
import { type PathPattern, matchesPath, parsePath, printPath, subsumesPath } from './path-pattern.ts';
import { type PeerPattern, matchesPeer, parsePeer, printPeer, subsumesPeer } from './peer-pattern.ts';
import { type PortPattern, matchesPort, parsePort, printPort, subsumesPort } from './port-pattern.ts';
import { type UserPattern, matchesUser, parseUser, printUser, subsumesUser } from './user-pattern.ts';

export interface ProcessPattern {
  readonly kind: 'process';
  readonly exe: PathPattern;
  readonly argv: ArgvPattern;
  readonly user: UserPattern;
  readonly parent: PathPattern;
}

export interface ConnectionPattern {
  readonly kind: 'outbound' | 'inbound';
  readonly exe: PathPattern;
  readonly proto: Protocol;
  readonly peer: PeerPattern;
  readonly port: PortPattern;
}

export interface ListenPattern {
  readonly kind: 'listen';
  readonly exe: PathPattern;
  readonly proto: Protocol;
  readonly port: PortPattern;
}

export type BehaviourPattern = ProcessPattern | ConnectionPattern | ListenPattern;

export function parseBehaviour(behaviour: Behaviour): Result<BehaviourPattern> {
  const exe = inField('exe', parsePath(behaviour.exe));
  if (!exe.ok) return exe;
  if (behaviour.kind === 'process') {
    const argv = parseArgv(behaviour.argv);
    if (!argv.ok) return argv;
    const user = inField('user', parseUser(behaviour.user));
    if (!user.ok) return user;
    const parent = inField('parent', parsePath(behaviour.parent));
    if (!parent.ok) return parent;
    return ok({ kind: 'process', exe: exe.value, argv: argv.value, user: user.value, parent: parent.value });
  }
  const port = inField('port', parsePort(behaviour.port));
  if (!port.ok) return port;
  const { kind, proto } = behaviour;
  if (kind === 'listen') return ok({ kind, exe: exe.value, proto, port: port.value });
  const peer = inField('peer', parsePeer(behaviour.peer));
  if (!peer.ok) return peer;
  return ok({ kind, exe: exe.value, proto, peer: peer.value, port: port.value });
}

function inField<T>(field: string, result: Result<T>): Result<T> {
  return result.ok ? result : { ok: false, error: { ...result.error, message: `${field}: ${result.error.message}` } };
}

export function printBehaviour(pattern: BehaviourPattern): Behaviour {
  const exe = printPath(pattern.exe);
  switch (pattern.kind) {
    case 'process':
      return {
        kind: 'process',
        exe,
        argv: [...printArgv(pattern.argv)],
        user: printUser(pattern.user),
        parent: printPath(pattern.parent),
      };
    case 'outbound':
    case 'inbound': {
      const { kind, proto } = pattern;
      return { kind, exe, proto, peer: printPeer(pattern.peer), port: printPort(pattern.port) };
    }
    case 'listen':
      return { kind: 'listen', exe, proto: pattern.proto, port: printPort(pattern.port) };
  }
}

/** Whether the activity is one of those the behaviour stands for. Unknown fields of the activity cannot differ. */
export function admits(pattern: BehaviourPattern, activity: Activity): boolean {
  switch (activity.kind) {
    case 'process':
      return (
        pattern.kind === 'process' &&
        matchesPath(pattern.exe, activity.image.exe) &&
        matchesUser(pattern.user, effectiveUser(activity.image)) &&
        matchesPath(pattern.parent, activity.parent?.exe ?? null) &&
        matchesArgv(pattern.argv, activity.image.argv)
      );
    case 'outbound':
    case 'inbound':
      return (
        pattern.kind === activity.kind &&
        pattern.proto === activity.proto &&
        matchesPort(pattern.port, activity.kind === 'outbound' ? activity.remotePort : activity.localPort) &&
        matchesPath(pattern.exe, activity.image?.exe ?? null) &&
        matchesPeer(pattern.peer, activity.remoteAddr)
      );
    case 'listen':
      return (
        pattern.kind === 'listen' &&
        pattern.proto === activity.proto &&
        matchesPort(pattern.port, activity.localPort) &&
        matchesPath(pattern.exe, activity.image?.exe ?? null)
      );
  }
}

/** Whether `wide` admits every activity `narrow` admits. False where it cannot be shown. */
export function subsumes(wide: BehaviourPattern, narrow: BehaviourPattern): boolean {
  if (!subsumesPath(wide.exe, narrow.exe)) return false;
  if (wide.kind === 'process') {
    return (
      narrow.kind === 'process' &&
      subsumesUser(wide.user, narrow.user) &&
      subsumesPath(wide.parent, narrow.parent) &&
      subsumesArgv(wide.argv, narrow.argv)
    );
  }
  if (narrow.kind === 'process' || wide.kind !== narrow.kind || wide.proto !== narrow.proto) return false;
  if (!subsumesPort(wide.port, narrow.port)) return false;
  if (wide.kind === 'listen' || narrow.kind === 'listen') return wide.kind === narrow.kind;
  return subsumesPeer(wide.peer, narrow.peer);
}
