// What the scorer itself keeps of the learned part, to put attacks where an attacker would be: which executables each machine
// ran, and which of its processes started most others.
import type { RawEvent } from '../model/raw-event.ts';

/** A process that an attacker is taken to live in. */
export interface Foothold {
  readonly exe: string;
  readonly cmdline: string | undefined;
  readonly pid: number | undefined;
  readonly uid: number | undefined;
  readonly user: string | undefined;
}

interface Parent {
  children: number;
  cmdline: string | undefined;
  pid: number | undefined;
}

type Owner = Pick<RawEvent, 'uid' | 'user'>;

const executablesMax = 100_000;

export class HostLore {
  readonly #executables = new Set<string>();
  readonly #byName = new Map<string, string>();
  readonly #parents = new Map<string, Parent>();
  readonly #owners = new Map<string, Owner>();

  take({ kind, exe, uid, user, parentExe, parentCmdline, ppid }: RawEvent): void {
    if (exe !== undefined && this.#executables.size < executablesMax) {
      this.#executables.add(exe);
      if (!this.#byName.has(nameOf(exe))) this.#byName.set(nameOf(exe), exe);
      if (kind === 'process_start') this.#owners.set(exe, { uid, user } as Owner);
    }
    if (kind !== 'process_start' || parentExe === undefined) return;
    const known = this.#parents.get(parentExe);
    if (known !== undefined) {
      known.children += 1;
      known.cmdline = parentCmdline ?? known.cmdline;
      known.pid = ppid ?? known.pid;
    } else if (this.#parents.size < executablesMax)
      this.#parents.set(parentExe, { children: 1, cmdline: parentCmdline, pid: ppid });
  }

  knows(exe: string): boolean {
    return this.#executables.has(exe);
  }

  /** The learned path of a program that is only known by name. */
  pathOf(name: string): string | undefined {
    return this.#byName.get(name);
  }

  /** The learned process with most children; null when none had any. */
  foothold(): Foothold | null {
    let best: [string, Parent] | null = null;
    for (const each of this.#parents) if (best === null || each[1].children > best[1].children) best = each;
    if (best === null) return null;
    const [exe, { cmdline, pid }] = best;
    const { uid, user } = this.#owners.get(exe) ?? {};
    return { exe, cmdline, pid, uid, user };
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
