// Whose a gdb stub is. Whoever opens one holds a name beside its socket for as long as he lives, so that another sentinel, or a verb of
// another state directory, leaves his trace alone also in the moments in which nobody is connected to the stub, and knows at once
// when he has died.
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { claim, type Claim } from '../../introspection/hypervisor/claim.ts';
import { sameRoot, throughRootOf } from '../../introspection/trace/gdb-stub.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

/** What is released when the stub is left. */
export type StubOwnership = Pick<Claim, 'release'>;

/** Told from those of other debuggers, also by a sentinel that was started after the one which made it has died. */
const socketName = /\/plumbline-\d+\.gdb$/;

export function stubNameOf(qemuPid: number): string {
  return `plumbline-${qemuPid}.gdb`;
}

export function isPlumblineStub(socketPath: string): boolean {
  return socketName.test(socketPath);
}

/** `socketPath`: of the stub, as we reach it. A problem while somebody else who lives has it, or when that cannot be known. */
export async function ownStub(socketPath: string): Promise<Result<StubOwnership>> {
  const claimed = await claim(nameBeside(socketPath), `process ${process.pid}`);
  if (!claimed.ok) return claimed;
  if (claimed.value.state === 'ours') return ok(claimed.value);
  const { says } = claimed.value;
  const who = says === '' ? 'a sentinel or a verb that does not say who it is' : says;
  const message = `This VM is traced by another Plumbline already (${who}; its gdb stub belongs at ${socketPath}).`;
  return fail(problem('refused', message, 'End the trace there first; one VM is traced by one at a time.'));
}

/**
 * Takes a stub that QEMU has open at `pathInQemu` into our hands, if whoever opened it has died. The path is looked up where QEMU's
 * root is: it made the socket there, and what is at the same path for us may be another's.
 */
export async function takeLeftStub(pathInQemu: string, qemuPid: number): Promise<Result<StubOwnership>> {
  const inRoot = throughRootOf(qemuPid)(pathInQemu);
  const directory = standingOf(dirname(inRoot));
  if (directory === 'there') return ownStub(inRoot);
  // With its directory went every way to it: nobody can connect to this stub any more, not even its owner.
  if (directory === 'gone') return ok({ release: () => undefined });
  return ownStub(sameRoot(pathInQemu));
}

function nameBeside(socketPath: string): string {
  return socketPath.replace(/\.gdb$/, '.own');
}

/** `hidden`: QEMU's root may not be looked into, as that of a process of another user. */
function standingOf(directory: string): 'there' | 'gone' | 'hidden' {
  try {
    return statSync(directory).isDirectory() ? 'there' : 'gone';
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'gone' : 'hidden';
  }
}
