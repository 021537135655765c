// Makes a directory with those above it. Node's own `recursive` loops for ever where making one says ENOENT although the directory
// above is there, as below /proc, and nothing but SIGKILL ends a loop that never comes back to the event loop.
import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Those that are missing get mode 0700; what is there stays as it is. Throws what the file system says. */
export function makeDirectories(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const parent = dirname(resolve(path));
  if (parent !== resolve(path)) makeDirectories(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (thrown) {
    // Somebody else may have made it in the meantime.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw thrown;
  }
}
