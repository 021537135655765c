// Whether a process only does what the program that started it is documented to have done by it.
import type { ProcessObservation } from '../model/observation.ts';
import { frontEnds } from './front-ends.data.ts';
import { hostedServices, serviceGroups, windowsHelpers } from './windows-helpers.data.ts';

/** Where nobody but root installs programs; /bin and /sbin are the same directories on merged systems. */
const systemProgram = /^(?:\/usr)?\/(?:s?bin)\/([^/]+)$/;

/** The name of a program that lies where the system's programs lie; null for every other one. */
export function systemProgramName(exe: string | null): string | null {
  return exe === null ? null : (systemProgram.exec(exe)?.[1] ?? null);
}

export function isHelper(activity: ProcessObservation): boolean {
  const { image, parent } = activity;
  if (isWindowsHelper(activity) || isSandboxedPart(activity)) return true;
  const starter = systemProgramName(parent?.exe ?? null);
  const name = systemProgramName(image.exe);
  if (starter === null || name === null) return false;
  const frontEnd = frontEnds.find((each) => each.names.includes(starter) && each.helpers.includes(name));
  const shape = frontEnd?.argumentsOf?.[name];
  return frontEnd !== undefined && (shape === undefined || shape.test(image.argv.join(' ')));
}

/** Where only the installer of Windows writes; both halves of a 64-bit system. */
const windowsProgram =
  /^c:\\windows\\(?:(?:system32|syswow64)\\(?:wbem\\)?|servicing\\|winsxs\\[^\\]*servicingstack[^\\]*\\|)([^\\]+)\.exe$/;
/** Apps that came with Windows or from its store: whoever is not the installer cannot write there. */
const windowsApp = /^c:\\(?:program files\\windowsapps|windows\\systemapps)\\[^\\]+\\(?:[^\\]+\\)*[^\\]+\.exe$/;
const appActivation = /^-servername:[\w.-]+$/i;
/** Longer than anything Windows tells its own programs. */
const saidMax = 1000;
/** `-k GROUP`, `-p` and `-s SERVICE` of a service host. */
const serviceHostArguments = /^-k (\w+)(?: -p)?(?: -s (\w+))?$/i;

function windowsProgramName(exe: string | null): string | null {
  return exe === null ? null : (windowsProgram.exec(exe)?.[1] ?? null);
}

function isWindowsHelper({ image, parent }: ProcessObservation): boolean {
  const starter = windowsProgramName(parent?.exe ?? null);
  const said = image.argv.slice(1).join(' ');
  if (starter === null || said.length > saidMax) return false;
  if (starter === 'svchost' && windowsApp.test(image.exe ?? '')) return appActivation.test(said);
  const name = windowsProgramName(image.exe);
  if (name === null) return false;
  if (starter === 'services' && name === 'svchost') return isHostedService(said);
  return windowsHelpers.some(
    ({ starters, helpers, argumentsAre }) =>
      starters.includes(starter) && helpers.includes(name) && argumentsAre.test(said),
  );
}

/** A host that is not told which service it holds holds those of its group. */
function isHostedService(said: string): boolean {
  const [, group, service] = serviceHostArguments.exec(said) ?? [];
  if (group === undefined || !serviceGroups.has(group.toLowerCase())) return false;
  return service === undefined || hostedServices.has(service.toLowerCase());
}

/** Browsers whose parts are processes of their own (Chromium's multi-process architecture), where only an installer writes. */
const browser =
  /^(?:c:\\program files(?: \(x86\))?\\.*|\/usr\/lib(?:64)?\/.*|\/opt\/.*)[\\/](?:msedge|chrome|chromium|brave|vivaldi)(?:\.exe)?$/;
const partType = /^--type=(?:renderer|gpu-process|utility|zygote|ppapi|crashpad-handler)$/;
/** Switches by which a part runs, or lets in, something else. */
const runsOther =
  /^--(?:[\w-]*-launcher|[\w-]*-cmd-prefix|load-extension|remote-debugging[\w-]*|register-pepper-plugins)\b/;

/** A browser that starts one of its own parts. */
function isSandboxedPart({ image, parent }: ProcessObservation): boolean {
  if (image.exe === null || image.exe !== parent?.exe || !browser.test(image.exe)) return false;
  return partType.test(image.argv[1] ?? '') && !image.argv.some((argument) => runsOther.test(argument));
}
