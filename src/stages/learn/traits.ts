// The traits that one activity shows. Peers are told by their role, which is the port and how far away they are, and private ones by
// their address too: members of a tier call the same database, and are called by whomever.
import type { Activity, ConnectionObservation, ProcessObservation } from '../../model/observation.ts';
import type { VmTrait } from '../../model/vm-trait.ts';
import { parseAddress, printAddress, unmapped } from '../../pattern/address.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { generalisePath } from '../../pattern/generalise.ts';
import { isPrivate } from '../../pattern/peer-pattern.ts';
import { isEphemeral } from '../../pattern/port-pattern.ts';
import { knownProgram, runsInlineCode } from '../../pattern/program.ts';

const whatMax = 400;

export function traitsOf(activity: Activity): VmTrait[] {
  switch (activity.kind) {
    case 'process':
      return programs(activity).map((what) => ({ kind: 'program', what: what.slice(0, whatMax) }));
    case 'listen': {
      const { exe, port } = behaviourOf(activity) as { exe: string; port: string };
      const what = `${activity.proto} ${isEphemeral(Number(port)) ? 'ephemeral' : port} ${exe}`;
      return [{ kind: 'listen', what: what.slice(0, whatMax) }];
    }
    case 'inbound':
      return [{ kind: 'inbound', what: roleOf(activity, activity.localPort) }];
    case 'outbound':
      return calls(activity).map((what) => ({ kind: 'outbound', what }));
  }
}

/** An interpreter is what it was given to run. */
function programs(activity: ProcessObservation): string[] {
  const { exe } = behaviourOf(activity);
  if (exe === '?') return [];
  const { argv } = activity.image;
  const role = knownProgram(activity.image.exe, argv)?.role;
  if ((role !== 'interpreter' && role !== 'shell') || runsInlineCode(activity.image.exe, argv)) return [exe];
  const script = argv.slice(1).find((argument) => /^[^-].*[/.]/.test(argument));
  return script === undefined ? [exe] : [exe, `${exe} ${generalisePath(script)}`];
}

function calls(activity: ConnectionObservation): string[] {
  const { proto, remoteAddr, remotePort } = activity;
  const role = roleOf(activity, remotePort);
  const address = parseAddress(remoteAddr);
  if (address === null || !isPrivate(remoteAddr)) return [role];
  return [role, `${proto} ${remotePort} ${printAddress(unmapped(address))}`];
}

function roleOf({ proto, remoteAddr }: ConnectionObservation, port: number): string {
  const shown = isEphemeral(port) ? 'ephemeral' : String(port);
  return `${proto} ${shown} ${isPrivate(remoteAddr) ? 'private' : 'internet'}`;
}
