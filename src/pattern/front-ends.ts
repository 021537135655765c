// Whether a process only does what the program that started it is documented to have done by it.
import type { ProcessObservation } from '../model/observation.ts';
import { isBrowserPart } from './browser-parts.ts';
import { frontEnds } from './front-ends.data.ts';
import { isWindowsHelper } from './windows-helpers.ts';

/** Where nobody but root installs programs; /bin and /sbin are the same directories on merged systems. */
const systemProgram = /^(?:\/usr)?\/(?:s?bin)\/([^/]+)$/;

/** The name of a program that lies where the system's programs lie; null for every other one. */
export function systemProgramName(exe: string | null): string | null {
  return exe === null ? null : (systemProgram.exec(exe)?.[1] ?? null);
}

export function isHelper(activity: ProcessObservation): boolean {
  const { image, parent } = activity;
  if (isWindowsHelper(activity) || isBrowserPart(activity)) return true;
  const starter = systemProgramName(parent?.exe ?? null);
  const name = systemProgramName(image.exe);
  if (starter === null || name === null) return false;
  const frontEnd = frontEnds.find((each) => each.names.includes(starter) && each.helpers.includes(name));
  const shape = frontEnd?.argumentsOf?.[name];
  return frontEnd !== undefined && (shape === undefined || shape.test(image.argv.join(' ')));
}
