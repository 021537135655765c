// Where Plumbline keeps its state on this machine, unless told otherwise.
import { accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Shell } from './shell.ts';

/** `--state`, else PLUMBLINE_STATE, else the system's place for root and the user's own for everybody else (XDG base directories). */
export function stateDirectoryOf(given: string | undefined, { env, user }: Pick<Shell, 'env' | 'user'>): string {
  const named = given ?? env['PLUMBLINE_STATE'];
  if (named !== undefined && named !== '') return resolve(named);
  if (user.uid === 0) return '/var/lib/plumbline';
  return join(xdgBase(env['XDG_STATE_HOME']) ?? join(user.home, '.local', 'state'), 'plumbline');
}

/**
 * Where the sentinels of this host meet, so that there is one of them: PLUMBLINE_RUN, else the system's place for root and the user's own
 * for everybody else, whose sentinel sees that user's VMs only. Root's is looked for where the first process has it: a sentinel in a
 * container that sees the processes of the host meets the host's own there, and one that does not has VMs of its own to watch.
 */
export function runDirectoryOf({ env, user }: Pick<Shell, 'env' | 'user'>): string {
  const named = env['PLUMBLINE_RUN'];
  if (named !== undefined && named !== '') return resolve(named);
  if (user.uid === 0) return join(isWritable('/proc/1/root/run') ? '/proc/1/root/run' : '/run', 'plumbline');
  const xdg = xdgBase(env['XDG_RUNTIME_DIR']);
  return xdg === null ? stateDirectoryOf(undefined, { env: {}, user }) : join(xdg, 'plumbline');
}

/** The specification has relative paths ignored. */
function xdgBase(named: string | undefined): string | null {
  return named?.startsWith('/') === true ? named : null;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** The sentinel keeps its own apart: on other hosts it stands alone. */
export function sentinelDirectoryOf(stateDir: string): string {
  return join(stateDir, 'sentinel');
}
