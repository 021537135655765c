// What a task runs, in the words of a raw event.
import type { TaskView } from '../../introspection/guest/guest-view.ts';

/** A program as others refer to it: the owner of a socket, the parent of a process. */
export interface Program {
  /** TaskView.id of the image. */
  readonly id: string;
  readonly pid: number;
  readonly parentPid: number;
  /** Null = unknown. */
  readonly exe: string | null;
  /** The executable was unlinked, or never had a name in a file system. */
  readonly deleted: boolean;
  readonly argv: readonly string[] | null;
  readonly uid: number;
  readonly euid: number;
  readonly startedAfterBootUs: number;
}

const deletedMark = ' (deleted)';

export function programOf(task: TaskView): Program {
  const deleted = task.exe?.endsWith(deletedMark) === true;
  return {
    id: task.id,
    pid: task.tgid,
    parentPid: task.ppid,
    exe: deleted ? task.exe.slice(0, -deletedMark.length) : task.exe,
    deleted,
    argv: task.argv,
    uid: task.uid,
    euid: task.euid,
    startedAfterBootUs: task.startedAfterBootUs,
  };
}

/** A guest may claim any time at all; only years 1970 to 9999 can be written as ISO 8601 text. */
export function isPlausibleTime(epochMs: number): boolean {
  return epochMs >= 0 && epochMs < 253_402_300_800_000;
}
