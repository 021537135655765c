// Follows a trace through the local door of a running sentinel; null when none runs there.
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { causeOf, type Problem, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { StreamedLine } from './streamed-line.ts';

/** Nobody behind the door: no socket, or one whose owner has died. */
const nobody: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK']);
const refusalBytesMax = 64 * 1024;

export function followDoor(
  socketPath: string,
  vm: string,
  stop: AbortSignal,
  hear: (line: StreamedLine) => void,
): Promise<Result<null> | null> {
  return new Promise((resolve) => {
    const path = `/vms/${encodeURIComponent(vm)}/trace`;
    const asked = request({ socketPath, path, agent: false }, (response) => {
      if (response.statusCode !== 200) {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => (text = (text + piece).slice(0, refusalBytesMax)));
        response.on('end', () => resolve(fail(refusalOf(text))));
        return;
      }
      let problemSaid: Problem | null = null;
      const lines = createInterface({ input: response, crlfDelay: Infinity });
      lines.on('line', (text) => {
        const line = parsed(text);
        if (line?.kind === 'ended') problemSaid = line.problem;
        else if (line !== null && !stop.aborted) hear(line);
      });
      // A reader that goes away reads on to the end of what has come already.
      lines.on('close', () => resolve(problemSaid === null ? ended(stop) : fail(problemSaid)));
      // Going away breaks the answer off, which the interface would throw.
      lines.on('error', () => lines.close());
      response.on('error', () => lines.close());
    });
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (stop.aborted) return resolve(ok(null));
      if (error.code !== undefined && nobody.has(error.code)) return resolve(null);
      const denied = error.code === 'EACCES' || error.code === 'EPERM';
      const mend = denied ? 'Run as the user the sentinel runs as.' : 'Check the sentinel’s log.';
      resolve(
        fail(problem(denied ? 'refused' : 'failed', `The sentinel could not be asked: ${causeOf(error)}.`, mend)),
      );
    });
    const leave = (): void => void asked.destroy();
    if (stop.aborted) leave();
    else stop.addEventListener('abort', leave, { once: true });
    asked.end();
  });
}

function ended(stop: AbortSignal): Result<null> {
  return stop.aborted ? ok(null) : fail(problem('failed', 'The sentinel ended, and the trace with it.'));
}

function parsed(text: string): StreamedLine | null {
  try {
    return JSON.parse(text) as StreamedLine;
  } catch {
    return null;
  }
}

function refusalOf(text: string): Problem {
  try {
    return JSON.parse(text) as Problem;
  } catch {
    return problem('failed', 'The sentinel’s answer could not be understood.', 'Check that both are of one version.');
  }
}
