// A change of what is installed, declared beforehand or seen to be made by the package manager, as a window in time that admits
// what the change brings and nothing else: the package manager's own processes, the scripts of its packages with what they start,
// and programs that carry a package's name. It is bounded, and whoever keeps it tells of it.
import type { Activity, ProcessObservation } from '../../model/observation.ts';
import { packageManagers } from '../../pattern/front-ends.data.ts';
import { systemProgramName } from '../../pattern/front-ends.ts';

export interface ChangeWindow {
  readonly cause: 'declared' | 'observed';
  /** ISO times. */
  readonly from: string;
  readonly until: string;
  /** Names without version and architecture. */
  readonly packages: readonly string[];
  /** Who had the packages installed, and may therefore be about to use them; null = anybody. */
  readonly starter: string | null;
  /** Executables that whoever declared the change runs himself. */
  readonly programs: readonly string[];
}

/** What somebody says of a change before it is made. */
export type DeclaredChange = Omit<ChangeWindow, 'cause' | 'starter'>;

/** An installation and its first use; longer ones open the window again with each package. */
export const windowMs = 10 * 60_000;
const namesMax = 500;
const windowsMax = 16;

/** The packages an installation names; null when the process is none. */
export function installation({ image }: ProcessObservation): readonly string[] | null {
  const name = systemProgramName(image.exe);
  const manager = packageManagers.find(({ names }) => name !== null && names.includes(name));
  const verb = image.argv.findIndex((argument, at) => at > 0 && manager?.changes.test(argument) === true);
  if (manager === undefined || verb === -1) return null;
  const named = image.argv.slice(verb + 1).filter((argument) => !argument.startsWith('-'));
  return named.slice(0, namesMax).map(packageName);
}

/** `/debs/openssl_3.0.22-1_amd64.deb`, `openssl-3.0.7-1.el9.x86_64.rpm`, `openssl=3.0` and `openssl` are all openssl. */
function packageName(text: string): string {
  const file = text.slice(text.lastIndexOf('/') + 1);
  if (file.endsWith('.deb')) return file.split('_')[0] ?? file;
  if (file.endsWith('.rpm')) return file.replace(/-[^-]+-[^-]+\.rpm$/, '');
  return file.split(/[=:]/)[0] ?? file;
}

export function observedChange(activity: ProcessObservation, packages: readonly string[]): ChangeWindow {
  const until = new Date(Date.parse(activity.at) + windowMs).toISOString();
  return {
    cause: 'observed',
    from: activity.at,
    until,
    packages,
    programs: [],
    starter: activity.parent?.exe ?? null,
  };
}

export function declaredChange({ from, until, packages, programs }: DeclaredChange): ChangeWindow {
  return {
    cause: 'declared',
    starter: null,
    from,
    until,
    packages: packages.slice(0, namesMax),
    programs: programs.slice(0, namesMax),
  };
}

/** The windows that are still open when something happens, with one more. */
export function withWindow(windows: readonly ChangeWindow[], window: ChangeWindow): readonly ChangeWindow[] {
  return [...windows.filter(({ until }) => until >= window.from), window].slice(-windowsMax);
}

/** Whether the activity is part of what a change brings while its window is open. */
export function isPartOfChange(windows: readonly ChangeWindow[], activity: Activity): boolean {
  const open = windows.filter(({ from, until }) => from <= activity.at && activity.at <= until);
  if (open.length === 0 || activity.kind !== 'process') return false;
  return open.some((window) => isOfPackage(window, activity) || isOfPackageManager(window, activity));
}

const maintainerScript = /^\/var\/lib\/dpkg\/(?:info|tmp\.ci)\/[^/]+$/;

/** The package manager is among those who started it, directly or through a script of a package, and who began the change too. */
function isOfPackageManager({ starter }: ChangeWindow, { parent, ancestors }: ProcessObservation): boolean {
  const line = [parent?.exe ?? null, ...ancestors];
  if (starter !== null && !line.includes(starter)) return false;
  return line.some((exe) => isManager(exe) || (exe !== null && maintainerScript.test(exe)));
}

function isManager(exe: string | null): boolean {
  const name = systemProgramName(exe);
  return name !== null && packageManagers.some(({ names }) => names.includes(name));
}

/** Until the files of packages are known, a package's program is the one that has its name, where the system's programs lie. */
function isOfPackage({ packages, programs, starter }: ChangeWindow, activity: ProcessObservation): boolean {
  const { exe } = activity.image;
  if (starter !== null && activity.parent?.exe !== starter) return false;
  const name = systemProgramName(exe);
  if (exe !== null && programs.includes(exe))
    return installation(activity)?.every((each) => packages.includes(each)) ?? true;
  return name !== null && packages.includes(name);
}
