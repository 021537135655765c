// The Debian packages that real guests need: looked up in a moment when they are there, installed when they are not.
import { installPackages, missingPackages, type PackageSet } from './requirements.ts';

/** False when something is missing and could not be installed; the reason and the mend have then been said. */
export async function provideRequirements(
  say: (line: string) => void,
  sets: readonly PackageSet[] = ['guests', 'libvirt', 'flows', 'platforms'],
): Promise<boolean> {
  const missing = missingPackages(sets);
  if (missing.length === 0) return true;
  const installed = await installPackages(say, sets);
  if (!installed.ok) {
    say(
      installed.error.mend === undefined
        ? installed.error.message
        : `${installed.error.message} ${installed.error.mend}`,
    );
    return false;
  }
  return true;
}
