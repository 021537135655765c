// Whether a program may be run at all: nobody but root, the manager's own account and the account it runs as may change it.
import { access, constants, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { causeOf } from '../../../kit/problem.ts';

const groupWrites = 0o020;
const othersWrite = 0o002;
const sticky = 0o1000;

/** Why `path` must not be run; null = it may. `trusted` = user ids that may own it. Never throws. */
export async function executableObstacle(path: string, trusted: readonly number[]): Promise<string | null> {
  try {
    const real = await realpath(path);
    const about = await stat(real);
    if (!about.isFile()) return `${path} is no file`;
    if ((about.mode & (groupWrites | othersWrite)) !== 0) return `${path} may be written by others; chmod go-w it`;
    if (!trusted.includes(about.uid)) return `${path} belongs to user ${about.uid}, who could change it`;
    await access(real, constants.X_OK);
    for (let above = dirname(real); ; above = dirname(above)) {
      const folder = await stat(above);
      // In a sticky folder only its owner takes a file's name away; a group of root's is root.
      const isOpen =
        (folder.mode & sticky) === 0 &&
        ((folder.mode & othersWrite) !== 0 || ((folder.mode & groupWrites) !== 0 && folder.gid !== 0));
      if (isOpen) return `${above}, in which ${path} lies, may be written by others`;
      if (!trusted.includes(folder.uid)) return `${above}, in which ${path} lies, belongs to user ${folder.uid}`;
      if (above === dirname(above)) return null;
    }
  } catch (thrown) {
    return `${path} cannot be run: ${causeOf(thrown).slice(0, 200)}`;
  }
}
