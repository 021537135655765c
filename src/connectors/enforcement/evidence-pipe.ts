// A pipe into which a hypervisor writes what is to be kept, so that this process, not the hypervisor, owns the file, counts its bytes
// and can end it: when the reading end is closed, also because we died, the hypervisor's writing fails and its VM runs on. The pipe
// has no name: whoever opens `/proc/PID/fd/N` after we died finds nothing, where a named pipe would hold him for ever.
import { closeSync, constants, openSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { causeOf, type Problem, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { runProgram } from '../../protocols/host-program/run-program.ts';

export interface EvidencePipe {
  /** What the hypervisor is to open for writing. */
  readonly path: string;
  /** Ends when every writer has closed it; destroyed, it makes them fail. */
  readonly reader: Socket;
}

/** `directory`: one that nobody else may enter; the pipe has a name in it for a moment. `name`: one that leaves no directory. */
export async function openEvidencePipe(directory: string, name: string): Promise<Result<EvidencePipe>> {
  const named = join(directory, `${name}.pipe`);
  rmSync(named, { force: true });
  const made = await runProgram(['mkfifo', '-m', '600', named]);
  if (!made.ok) return made;
  let file = -1;
  try {
    // Without O_NONBLOCK it would wait for a writer.
    file = openSync(named, constants.O_RDONLY | constants.O_NONBLOCK);
    const reader = new Socket({ fd: file, readable: true, writable: false });
    // An error that nobody hears would end us; whoever reads hears of it.
    reader.on('error', () => undefined);
    return ok({ path: `/proc/${process.pid}/fd/${file}`, reader });
  } catch (thrown) {
    if (file >= 0) closeSync(file);
    return fail(problem('failed', `A pipe for evidence cannot be made in ${directory}: ${causeOf(thrown)}.`));
  } finally {
    rmSync(named, { force: true });
  }
}

/**
 * Why the process that opens the pipe could not, or would open something else; null = it can. `opensItself`: QEMU itself opens it,
 * rather than a libvirt daemon that has root.
 */
export function pipeObstacle(pid: number, opensItself: boolean): Problem | null {
  try {
    if (readlinkSync(`/proc/${pid}/ns/pid`) !== readlinkSync('/proc/self/ns/pid'))
      return problem(
        'refused',
        `QEMU, process ${pid}, is in another process namespace and cannot be handed a file of this host.`,
        'Run the sentinel where its QEMU runs.',
      );
    const { uid } = statSync(`/proc/${pid}`);
    const may = !opensItself || uid === 0 || uid === process.geteuid?.();
    return may
      ? null
      : problem(
          'refused',
          `QEMU, process ${pid}, runs as user ${uid}, who may write nothing into the sentinel's directory.`,
          'Have the VM managed by libvirt, or run QEMU as root with `-runas` left out.',
        );
  } catch (thrown) {
    return problem('failed', `QEMU, process ${pid}, cannot be looked at: ${causeOf(thrown)}.`);
  }
}
