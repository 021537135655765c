// A change of what is installed, declared beforehand or seen to be made by the package manager, as a window in time that admits
// what the change brings and nothing else: the package manager's own processes, the scripts of its packages with what they start,
// and programs that carry a package's name. It is bounded, and whoever keeps it tells of it.
import { type ChangeWindow, changeWindowsMax } from '../../model/change.ts';
import type { Activity, ProcessImage, ProcessObservation } from '../../model/observation.ts';
import { digest } from '../../pattern/digest.ts';
import { packageManagers } from '../../pattern/front-ends.data.ts';
import { systemProgramName } from '../../pattern/front-ends.ts';

/** What somebody says of a change before it is made. */
export interface DeclaredChange extends Pick<ChangeWindow, 'from' | 'until'> {
  readonly packages: readonly string[];
  readonly programs: readonly string[];
  readonly id?: string;
  readonly ports?: readonly number[];
}

/** An installation and its first use; longer ones open the window again with each package. */
export const windowMs = 10 * 60_000;
const namesMax = 500;
const nameLengthMax = 256;

/** The packages an installation names; null when the process is none. */
export function installation({ image }: ProcessObservation): readonly string[] | null {
  const name = systemProgramName(image.exe);
  const manager = packageManagers.find(({ names }) => name !== null && names.includes(name));
  const verb = image.argv.findIndex((argument, at) => at > 0 && manager?.changes.test(argument) === true);
  if (manager === undefined || verb === -1) return null;
  const named = image.argv.slice(verb + 1).filter((argument) => !argument.startsWith('-'));
  return named
    .slice(0, namesMax)
    .map((text) => packageName(text).slice(0, nameLengthMax))
    .filter((name) => name !== '');
}

/** `/debs/openssl_3.0.22-1_amd64.deb`, `openssl-3.0.7-1.el9.x86_64.rpm`, `openssl=3.0` and `openssl` are all openssl. */
function packageName(text: string): string {
  const file = text.slice(text.lastIndexOf('/') + 1);
  if (file.endsWith('.deb')) return file.split('_')[0] ?? file;
  if (file.endsWith('.rpm')) return file.replace(/-[^-]+-[^-]+\.rpm$/, '');
  return file.split(/[=:]/)[0] ?? file;
}

/** Its id is made from what it is, so that the same installation seen twice is one change. */
export function observedChange(activity: ProcessObservation, packages: readonly string[]): ChangeWindow {
  const { vm, at, parent } = activity;
  const until = new Date(Date.parse(at) + windowMs).toISOString();
  const starter = parent?.exe ?? null;
  const id = digest([vm, at, starter ?? '', ...packages].join('\n'));
  return { id, cause: 'observed', from: at, until, packages: [...packages], programs: [], ports: [], starter };
}

export function declaredChange({
  id = 'declared',
  from,
  until,
  packages,
  programs,
  ports = [],
}: DeclaredChange): ChangeWindow {
  return {
    id,
    cause: 'declared',
    starter: null,
    from,
    until,
    packages: packages.slice(0, namesMax),
    programs: programs.slice(0, namesMax),
    ports: [...ports],
  };
}

/** The windows that are still open when something happens, with one more. */
export function withWindow(windows: readonly ChangeWindow[], window: ChangeWindow): readonly ChangeWindow[] {
  return [...windows.filter(({ until }) => until >= window.from), window].slice(-changeWindowsMax);
}

/** The open window that brings the activity; null = it is part of no change. */
export function windowAdmitting(windows: readonly ChangeWindow[], activity: Activity): ChangeWindow | null {
  return windows.find((window) => isOpenAt(window, activity.at) && brings(window, activity)) ?? null;
}

export function isOpenAt({ from, until }: Pick<ChangeWindow, 'from' | 'until'>, at: string): boolean {
  return from <= at && at <= until;
}

function brings(window: ChangeWindow, activity: Activity): boolean {
  if (activity.kind === 'process') return isOfPackage(window, activity) || isOfPackageManager(window, activity);
  // Whom a new program calls nobody can say beforehand; where it is reached can be declared.
  return activity.kind !== 'outbound' && window.ports.includes(activity.localPort) && isNamed(window, activity.image);
}

function isNamed({ packages, programs }: ChangeWindow, image: ProcessImage | null): boolean {
  const exe = image?.exe ?? null;
  const name = systemProgramName(exe);
  return (exe !== null && programs.includes(exe)) || (name !== null && packages.includes(name));
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
