// One sentinel a host: two would take each other's monitors, traces and the switch's exports, and each VM would belong to whichever
// found it first. Who is second is told who was first, before it has touched anything.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { claim, type Claim } from '../introspection/hypervisor/claim.ts';
import { makeDirectories } from './make-directories.ts';
import { causeOf, type Problem, problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';

/** What is released when the sentinel has ended; it ends with the process in any case. */
export type HostClaim = Pick<Claim, 'release'>;

const nameInDirectory = 'sentinel';

/**
 * `runDirectory`: where the sentinels of this host, or of this user, meet; made when it is not there, and nobody else's. `stateDir`: of
 * this one. Problem `refused`: another one runs.
 */
export async function claimHost(runDirectory: string, stateDir: string): Promise<Result<HostClaim>> {
  const place = usable(runDirectory);
  if (place !== null) return fail(place);
  const claimed = await claim(join(runDirectory, nameInDirectory), JSON.stringify({ pid: process.pid, stateDir }));
  if (!claimed.ok) return claimed;
  return claimed.value.state === 'ours' ? ok(claimed.value) : fail(takenBy(claimed.value.says, stateDir));
}

function usable(runDirectory: string): Problem | null {
  try {
    makeDirectories(runDirectory);
    const { uid, mode } = statSync(runDirectory);
    const isPrivate = uid === process.getuid?.() && (mode & 0o022) === 0;
    return isPrivate ? null : foreign(runDirectory);
  } catch (thrown) {
    const message = `The place where the sentinels of this host meet, ${runDirectory}, cannot be used: ${causeOf(thrown)}.`;
    return problem('failed', message, 'Name another directory in PLUMBLINE_RUN, the same for every sentinel here.');
  }
}

/** Whoever may write there could keep us from starting, or hide another sentinel from us. */
function foreign(runDirectory: string): Problem {
  const message = `Others may write to the place where the sentinels of this host meet, ${runDirectory}.`;
  return problem('refused', message, 'Give it to the user the sentinel runs as, with mode 700.');
}

function takenBy(says: string, stateDir: string): Problem {
  const other = readHolder(says);
  if (other?.stateDir === stateDir)
    return problem(
      'refused',
      `Plumbline is up already with the state directory ${stateDir} (process ${other.pid}).`,
      'Use it as it is, or stop it first.',
    );
  const who =
    other === null ? 'it does not say which' : `process ${other.pid}, with the state directory ${other.stateDir}`;
  return problem(
    'refused',
    `Another sentinel watches the VMs of this host already: ${who}.`,
    'Use that one, or stop it first: a host has one sentinel, and its VMs one manager.',
  );
}

function readHolder(says: string): { readonly pid: number; readonly stateDir: string } | null {
  try {
    const { pid, stateDir } = JSON.parse(says) as { readonly pid?: unknown; readonly stateDir?: unknown };
    return typeof pid === 'number' && typeof stateDir === 'string' ? { pid, stateDir } : null;
  } catch {
    return null;
  }
}
