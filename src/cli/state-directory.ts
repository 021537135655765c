// Where Plumbline keeps its state on this machine, unless told otherwise.
import { join, resolve } from 'node:path';
import type { Shell } from './shell.ts';

/** `--state`, else PLUMBLINE_STATE, else the system's place for root and the user's own for everybody else (XDG base directories). */
export function stateDirectoryOf(given: string | undefined, { env, user }: Pick<Shell, 'env' | 'user'>): string {
  const named = given ?? env['PLUMBLINE_STATE'];
  if (named !== undefined && named !== '') return resolve(named);
  if (user.uid === 0) return '/var/lib/plumbline';
  const xdg = env['XDG_STATE_HOME'];
  // The specification has relative paths ignored.
  const base = xdg !== undefined && xdg.startsWith('/') ? xdg : join(user.home, '.local', 'state');
  return join(base, 'plumbline');
}

/** The sentinel keeps its own apart: on other hosts it stands alone. */
export function sentinelDirectoryOf(stateDir: string): string {
  return join(stateDir, 'sentinel');
}
