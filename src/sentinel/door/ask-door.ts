// Asking the running sentinel through its local door; null when none runs there.
import { request } from 'node:http';
import { causeOf, type Problem, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

const answerBytesMax = 256 * 1024 * 1024;
const answerMs = 30_000;

/** Nobody behind the door: no socket, or one whose owner has died. */
const nobody: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK']);

export function askDoor<T>(socketPath: string, path: string): Promise<Result<T> | null> {
  return new Promise((resolve) => {
    // One connection for one question: a kept one could belong to a sentinel that has ended since.
    const asked = request({ socketPath, path, timeout: answerMs, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      response.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes <= answerBytesMax) pieces.push(piece);
        else asked.destroy(new Error(`it answered more than ${answerBytesMax} bytes`));
      });
      response.on('end', () => resolve(read<T>(response.statusCode ?? 500, Buffer.concat(pieces).toString('utf8'))));
    });
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${answerMs} ms`)));
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== undefined && nobody.has(error.code)) return resolve(null);
      const denied = error.code === 'EACCES' || error.code === 'EPERM';
      const mend = denied ? 'Run as the user the sentinel runs as.' : 'Check the sentinel’s log.';
      resolve(
        fail(problem(denied ? 'refused' : 'failed', `The sentinel could not be asked: ${causeOf(error)}.`, mend)),
      );
    });
    asked.end();
  });
}

function read<T>(status: number, text: string): Result<T> {
  try {
    const value: unknown = JSON.parse(text);
    return status === 200 ? ok(value as T) : fail(value as Problem);
  } catch {
    return fail(
      problem('failed', 'The sentinel’s answer could not be understood.', 'Check that both are of the same version.'),
    );
  }
}
