// Which scripted attack stands behind an alarm. What none of them explains is a false alarm, and counted as one.
import type { Activity } from '../../src/model/observation.ts';
import type { Touched } from '../attacks.ts';

/** An attack as it could be seen on one machine, from its first step until the machine was put back. */
export interface AttackWindow {
  readonly vm: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly touched: Touched;
  readonly pids: readonly number[];
}

/** True when one of the activities lies in the window and is one that the attack itself caused. */
export function isBehind(window: AttackWindow, vm: string, activities: readonly Activity[]): boolean {
  return window.vm === vm && activities.some((activity) => isInTime(window, activity) && isTouched(window, activity));
}

function isInTime(window: AttackWindow, activity: Activity): boolean {
  const atMs = Date.parse(activity.at);
  return atMs >= window.fromMs && atMs <= window.untilMs;
}

function isTouched({ touched, pids }: AttackWindow, activity: Activity): boolean {
  if (activity.pid !== null && pids.includes(activity.pid)) return true;
  switch (activity.kind) {
    case 'process':
      return (activity.ppid !== null && pids.includes(activity.ppid)) || isAttackersProgram(touched, activity);
    case 'listen':
      return touched.listeningPorts.includes(activity.localPort);
    case 'outbound':
      return touched.peers.some(
        ({ address, port }) => address === activity.remoteAddr && (port === undefined || port === activity.remotePort),
      );
    case 'inbound':
      return (
        touched.listeningPorts.includes(activity.localPort) ||
        touched.peers.some(({ address }) => address === activity.remoteAddr)
      );
  }
}

function isAttackersProgram(touched: Touched, activity: Extract<Activity, { kind: 'process' }>): boolean {
  const words = activity.image.argv.join(' ');
  return (
    touched.executables.includes(activity.image.exe ?? '') ||
    touched.argumentPieces.some((piece) => words.includes(piece))
  );
}
