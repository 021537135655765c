// Whether a process is what Windows starts by itself, told by who starts what where with which words (windows-helpers.data.ts).
import type { ProcessObservation } from '../model/observation.ts';
import { hostedServices, serviceGroups, windowsHelpers } from './windows-helpers.data.ts';

/**
 * Where only the installer of Windows writes, each program in its own place: one that bears the name of another elsewhere among them
 * is a false one. Both halves of a 64-bit system.
 */
const windowsProgram =
  /^c:\\windows\\(?:(?:system32|syswow64)\\(?:wbem\\(?=wm|unsecapp))?|servicing\\(?=trustedinstaller)|winsxs\\[^\\]*servicingstack[^\\]*\\(?=tiworker)|(?=explorer))([^\\]+)\.exe$/;
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

/** Whether Windows starts this by itself: a service in its host, a task, a component, an app. */
export function isWindowsHelper({ image, parent }: ProcessObservation): boolean {
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
