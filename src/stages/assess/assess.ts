// From a deviation to a finding: its risk as the sum of its reasons, its severity, and the key that groups its repetitions.
import { canonicalJson } from '../../kit/canonical-json.ts';
import type { Mode } from '../../model/application.ts';
import type { Deviation } from '../../model/deviation.ts';
import type { Finding } from '../../model/finding.ts';
import type { Activity } from '../../model/observation.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { sayArgv } from '../../pattern/describe.ts';
import { digest } from '../../pattern/digest.ts';
import { reasonsOf } from './reasons.ts';
import { severityOf } from './severity.ts';

export interface AssessContext {
  readonly scope: string;
  readonly service: string;
  readonly mode: Mode;
}

const riskMax = 100;

export function assess(deviation: Deviation, _context: AssessContext): Finding {
  const reasons = reasonsOf(deviation);
  const risk = Math.min(
    riskMax,
    reasons.reduce((sum, each) => sum + each.points, 0),
  );
  return { deviation, risk, severity: severityOf(risk), reasons: [...reasons], group: groupOf(deviation) };
}

/**
 * One alarm is one kind of thing done by one executable: a process by its generalised arguments and parent, a connection by
 * address and port. The user does not part alarms, nor does what changes from run to run.
 */
function groupOf({ activity }: Deviation): string {
  const behaviour = behaviourOf(activity);
  const key =
    behaviour.kind === 'process'
      ? [behaviour.kind, behaviour.exe, behaviour.parent, ...behaviour.argv]
      : [behaviour.kind, behaviour.exe, behaviour.proto, behaviour.port, 'peer' in behaviour ? behaviour.peer : ''];
  return digest(canonicalJson(key));
}

const titleMax = 300;

/** What happened, as one line. */
export function title(finding: Finding): string {
  return activityTitle(finding.deviation.activity);
}

export function activityTitle(activity: Activity): string {
  const line = sayActivity(activity);
  return line.length <= titleMax ? line : `${line.slice(0, titleMax - 3).toWellFormed()}...`;
}

function sayActivity(activity: Activity): string {
  const exe = activity.image === null ? 'An unknown process' : (activity.image.exe ?? 'An unreadable executable');
  switch (activity.kind) {
    case 'process': {
      const starter = activity.parent?.exe ?? 'An unknown parent';
      return `${sayText(starter)} started ${sayText(exe)}: ${sayArgv(activity.image.argv)}`;
    }
    case 'outbound':
      return `${sayText(exe)} connected to ${endOf(activity.remoteAddr, activity.remotePort)} (${activity.proto})`;
    case 'inbound':
      return `${activity.remoteAddr} connected to ${sayText(exe)} on ${activity.proto} port ${activity.localPort}`;
    case 'listen':
      return `${sayText(exe)} listens on ${activity.proto} port ${activity.localPort}`;
  }
}

/** Names with blanks are for the reader, not for a shell; anything stranger is quoted. */
function sayText(text: string): string {
  return /^[\w /.:()-]+$/.test(text) ? text : sayArgv([text]);
}

function endOf(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
