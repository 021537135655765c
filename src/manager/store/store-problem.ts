// What a database's error means to the person who runs the manager.
import { causeOf, problem, type Problem } from '../../kit/problem.ts';

/** Primary result codes, https://www.sqlite.org/rescode.html. */
const sqlite = { busy: 5, readonly: 8, ioerr: 10, corrupt: 11, full: 13, cantopen: 14, notadb: 26 } as const;

export function storeProblem(thrown: unknown, place: string): Problem {
  const code = ((thrown as { errcode?: number }).errcode ?? codeOfSystem(thrown)) & 0xff;
  switch (code) {
    case sqlite.full:
      return problem(
        'failed',
        `${place} cannot grow: its disk or its size limit is full. Nothing was changed.`,
        'Free space on its disk, or raise store.sizeMegabytesMax in the configuration.',
      );
    case sqlite.readonly:
      return problem(
        'failed',
        `${place} cannot be written.`,
        'Give the account that runs the manager write access to it and its directory.',
      );
    case sqlite.corrupt:
    case sqlite.notadb:
      return problem(
        'unreadable',
        `${place} is damaged or is not a Plumbline database.`,
        'Put back a copy of it, or move it away to begin anew; the signing key beside it can stay.',
      );
    case sqlite.busy:
      return problem('interrupted', `${place} is in use by another program.`, 'End the other program and try again.');
    case sqlite.cantopen:
      return problem('failed', `${place} cannot be opened.`, 'Check that its directory exists and may be written.');
    case sqlite.ioerr:
      return problem('failed', `The disk under ${place} reported an error. Nothing was changed.`, 'Check the disk.');
    default:
      return problem('failed', `${place}: ${causeOf(thrown)}.`);
  }
}

/** Opening the file itself may be refused before SQLite is asked. */
function codeOfSystem(thrown: unknown): number {
  switch ((thrown as NodeJS.ErrnoException).code ?? '') {
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return sqlite.readonly;
    case 'ENOSPC':
      return sqlite.full;
    case 'ENOENT':
    case 'EISDIR':
      return sqlite.cantopen;
    default:
      return 0;
  }
}
