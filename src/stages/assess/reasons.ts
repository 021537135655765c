// Why a deviation deserves attention: each reason one factor of the table, said in a clause with what was seen.
import type { Deviation } from '../../model/deviation.ts';
import type { Reason } from '../../model/finding.ts';
import type {
  ConnectionObservation,
  ListenObservation,
  ProcessImage,
  ProcessObservation,
} from '../../model/observation.ts';
import { effectiveUser } from '../../pattern/behaviour-of.ts';
import { parseAddress } from '../../pattern/address.ts';
import { isPrivate } from '../../pattern/peer-pattern.ts';
import { argumentRoles, knownProgram, programName } from '../../pattern/program.ts';
import { isInMemoryOnly, isWorldWritable } from '../../pattern/executable-places.ts';
import { administrationPorts } from '../../pattern/administration-ports.data.ts';
import { type FactorName, factors, metadataServices } from './factors.data.ts';
import { telltales } from '../../pattern/telltales.data.ts';

export function reasonsOf(deviation: Deviation): readonly Reason[] {
  const { activity } = deviation;
  const origin = activity.image === null ? [] : originReasons(activity.image);
  switch (activity.kind) {
    case 'process':
      return [...processReasons(deviation, activity), ...origin];
    case 'outbound':
      return [...outboundReasons(deviation, activity), ...ownerReasons(activity), ...origin];
    case 'inbound':
      return [...inboundReasons(deviation, activity), ...ownerReasons(activity), ...origin];
    case 'listen':
      return [...listenReasons(deviation, activity), ...ownerReasons(activity), ...origin];
  }
}

function reason(factor: FactorName, text: string): Reason {
  return { factor, points: factors[factor].points, text };
}

function differs(deviation: Deviation, field: string): boolean {
  return deviation.nearest?.differences.some((difference) => difference.field.startsWith(field)) ?? true;
}

/** No entry of the same kind names the executable: the nearest one is of another, or there is none. */
function isNewExecutable(deviation: Deviation): boolean {
  return differs(deviation, 'exe');
}

function processReasons(deviation: Deviation, activity: ProcessObservation): readonly Reason[] {
  const { image, parent } = activity;
  const exe = image.exe ?? 'an executable that could not be read';
  const reasons: Reason[] = [];
  if (isNewExecutable(deviation)) reasons.push(reason('new-executable', `${exe} has never been allowed on this VM`));
  else {
    if (differs(deviation, 'argv')) reasons.push(...argumentReasons(deviation, image));
    if (differs(deviation, 'parent'))
      reasons.push(
        reason('other-parent', `${exe} is allowed, but not when started by ${parent?.exe ?? 'this parent'}`),
      );
    if (differs(deviation, 'user')) reasons.push(userReason(image));
  }
  return [...reasons, ...roleReasons(deviation, activity), ...telltaleReasons(image)];
}

/** Only called for an executable that is known: its arguments are what is new. */
function argumentReasons({ nearest }: Deviation, image: ProcessImage): readonly Reason[] {
  const name = programName(image.exe, image.argv);
  const reasons = [reason('other-arguments', `${image.exe ?? name} is allowed, but not with these arguments`)];
  const other = (nearest?.differences ?? []).filter(({ field }) => field.startsWith('argv['));
  const roles = argumentRoles(image.exe, image.argv);
  const runsOtherCode = other.some(({ field }) => roles[Number(field.slice(5, -1))] === 'code');
  if (runsOtherCode) reasons.push(reason('other-code', `${name} is told to do something else`));
  const temporary = other.find(({ seen }) => isWorldWritable(seen.slice(seen.indexOf('/'))));
  if (temporary !== undefined)
    reasons.push(reason('temporary-argument', `it is pointed at ${temporary.seen}, where everybody may write`));
  return reasons;
}

function userReason(image: ProcessImage): Reason {
  return effectiveUser(image) === 0
    ? reason('became-root', 'it runs as root, which is only allowed to another user')
    : reason('other-user', `it runs as user ${effectiveUser(image) ?? '?'}, which is not the allowed one`);
}

function roleReasons({ server }: Deviation, { image }: ProcessObservation): readonly Reason[] {
  const role = knownProgram(image.exe, image.argv)?.role;
  const name = programName(image.exe, image.argv);
  const reasons: Reason[] = [];
  const runsCode = role === 'shell' || role === 'interpreter';
  if (server !== undefined && runsCode)
    reasons.push(reason('shell-from-server', `${server} can be reached from the network and now runs ${name}`));
  else if (server !== undefined)
    reasons.push(reason('child-of-server', `it descends from ${server}, which can be reached from the network`));
  if (role === 'downloader') reasons.push(reason('download-tool', `${name} fetches files from elsewhere`));
  if (role === 'remote') reasons.push(reason('remote-tool', `${name} connects to other machines`));
  if (role === 'permission' || role === 'configuration')
    reasons.push(reason('permission-tool', `${name} changes who may do what`));
  return reasons;
}

function telltaleReasons(image: ProcessImage): readonly Reason[] {
  const text = image.argv.join(' ');
  const found = telltales.find((telltale) => telltale.text.test(text));
  return found === undefined ? [] : [reason('telltale-argument', `the command ${found.says} (${found.source})`)];
}

function originReasons({ exe, deleted, argv }: ProcessImage): readonly Reason[] {
  const reasons: Reason[] = [];
  if (/^\[.*\]$/.test(argv[0] ?? '')) reasons.push(reason('false-name', 'it calls itself a kernel thread and is none'));
  if (exe === null) return reasons;
  const name = exe.slice(exe.lastIndexOf('/') + 1);
  if (isInMemoryOnly(exe)) reasons.push(reason('never-a-file', `${exe} exists in memory only`));
  else if (deleted)
    reasons.push(reason('deleted-executable', `${exe} has been deleted or replaced since it was started`));
  if (isWorldWritable(exe)) reasons.push(reason('temporary-path', `${exe} lies where everybody may write`));
  if (name.startsWith('.')) reasons.push(reason('hidden-name', `the name ${name} is hidden from listings`));
  return reasons;
}

function ownerReasons({ image }: ConnectionObservation | ListenObservation): readonly Reason[] {
  return image === null ? [reason('unattributed', 'no process owned the socket when it was seen')] : [];
}

function outboundReasons(deviation: Deviation, activity: ConnectionObservation): readonly Reason[] {
  const { remoteAddr, remotePort, image } = activity;
  const caller = image?.exe ?? 'an unknown process';
  const reasons: Reason[] = [];
  if (isNewExecutable(deviation)) reasons.push(reason('new-caller', `${caller} has never been allowed to connect`));
  else if (differs(deviation, 'port'))
    reasons.push(reason('new-port', `${caller} has never used remote port ${remotePort}`));
  else reasons.push(reason('new-peer', `${caller} has never connected to ${remoteAddr}`));
  if (image !== null && knownProgram(image.exe, image.argv)?.role === 'shell')
    reasons.push(reason('shell-connects', `${programName(image.exe, image.argv)} is a shell and holds a connection`));
  if (deviation.server !== undefined)
    reasons.push(reason('new-peer-from-server', `${deviation.server} serves others and now begins to call`));
  if (metadataServices.has(remoteAddr))
    reasons.push(reason('metadata-service', `${remoteAddr} hands out the credentials of the machine`));
  else if (!isPrivate(remoteAddr)) reasons.push(reason('public-address', `${remoteAddr} is on the internet`));
  if (administrationPorts.has(remotePort)) reasons.push(administrationReason(remotePort));
  return reasons;
}

function inboundReasons(deviation: Deviation, { remoteAddr, localPort }: ConnectionObservation): readonly Reason[] {
  const reasons = [reason('new-client', `${remoteAddr} has never been allowed to connect to port ${localPort}`)];
  if (differs(deviation, 'port')) reasons.push(reason('new-listener', `port ${localPort} was never reached before`));
  else if (isClosedCircle(deviation))
    reasons.push(reason('closed-circle', `only named machines ever connect to port ${localPort}`));
  if (!isPrivate(remoteAddr)) reasons.push(reason('public-address', `${remoteAddr} is on the internet`));
  if (administrationPorts.has(localPort)) reasons.push(administrationReason(localPort));
  return reasons;
}

/** Learning pools many callers into a block: where the nearest allowed one is a single machine, the callers are few and known. */
function isClosedCircle({ nearest }: Deviation): boolean {
  return nearest?.behaviour.kind === 'inbound' && parseAddress(nearest.behaviour.peer) !== null;
}

function administrationReason(port: number): Reason {
  return reason('administration-port', `port ${port} is for administering machines`);
}

function listenReasons(deviation: Deviation, { localPort, image }: ListenObservation): readonly Reason[] {
  const owner = image?.exe ?? 'an unknown process';
  return differs(deviation, 'port')
    ? [reason('new-listener', `${owner} opened port ${localPort}, which nobody may listen on`)]
    : [reason('port-of-another', `port ${localPort} belongs to another executable than ${owner}`)];
}
