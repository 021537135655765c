// One attack run as it was recorded, and as it would be if the attacker already lived in a process that is allowed: the first
// process of each tree is gone and its children are the children of that process.
import type { RawEvent } from '../model/raw-event.ts';
import type { Foothold, HostLore } from './host-lore.ts';

const pidsMax = 100_000;

export class AttackRun {
  readonly #lore: HostLore | null;
  readonly #foothold: Foothold | null;
  readonly #roots = new Set<number>();
  readonly #known = new Set<number>();
  #nameless: { readonly exe: string | undefined; readonly parentExe: string | undefined } | null = null;
  #rootOwner: Pick<RawEvent, 'uid' | 'user'> | null = null;

  /** `lore` null = nothing was learned of any machine. */
  constructor(lore: HostLore | null) {
    this.#lore = lore;
    this.#foothold = lore?.foothold() ?? null;
  }

  /** A command that was only written down is put where it would have run: below the foothold, with the paths the machine has. */
  rendered(event: RawEvent): RawEvent {
    const parentIsReal = event.parentExe === undefined || this.#nameless?.exe === event.parentExe;
    const placed = parentIsReal ? event : { ...event, ...this.#below() };
    const exe = event.exe === undefined || event.exe.includes('/') ? undefined : this.#lore?.pathOf(event.exe);
    return exe === undefined ? placed : { ...placed, exe };
  }

  /** Null = the event belongs to a process that is gone. To be called for every event of the run, in order. */
  postEntry(event: RawEvent): RawEvent | null {
    if (this.#belongsToRoot(event)) return null;
    if (event.kind !== 'process_start') return event;
    const { pid, ppid } = event;
    const isNew = pid === undefined || !this.#known.has(pid);
    if (pid !== undefined && this.#known.size < pidsMax) this.#known.add(pid);
    const isChild =
      pid === undefined ? event.parentExe === this.#nameless?.exe : ppid !== undefined && this.#roots.has(ppid);
    return this.#owned(isChild && isNew ? { ...event, ...this.#below() } : event);
  }

  #belongsToRoot(event: RawEvent): boolean {
    const { pid, ppid, kind } = event;
    if (pid === undefined) return kind === 'process_start' && this.#isNamelessRoot(event);
    if (this.#roots.has(pid)) return true;
    if (kind !== 'process_start' || this.#known.has(pid)) return false;
    if (ppid !== undefined && (this.#known.has(ppid) || this.#roots.has(ppid))) return false;
    if (this.#roots.size < pidsMax) this.#roots.add(pid);
    this.#rootOwner ??= event;
    return true;
  }

  /** Without pids a tree is told by the executables: what has the same parent as the first process is a first one too. */
  #isNamelessRoot({ exe, parentExe, uid, user }: RawEvent): boolean {
    if (this.#nameless !== null) return parentExe === this.#nameless.parentExe && parentExe !== this.#nameless.exe;
    this.#nameless = { exe, parentExe };
    this.#rootOwner = { uid, user } as Pick<RawEvent, 'uid' | 'user'>;
    return true;
  }

  #below(): Partial<RawEvent> {
    if (this.#foothold === null) return {};
    const { exe, cmdline, pid } = this.#foothold;
    return {
      parentExe: exe,
      ...(cmdline === undefined ? {} : { parentCmdline: cmdline }),
      ...(pid === undefined ? {} : { ppid: pid }),
    };
  }

  /** Whoever did not change the user runs as the user of the foothold. */
  #owned(event: RawEvent): RawEvent {
    const owner = this.#rootOwner;
    const foothold = this.#foothold;
    if (owner === null || foothold === null || event.uid !== owner.uid || event.user !== owner.user) return event;
    const { uid, user, ...rest } = event;
    const newUid = foothold.uid ?? (foothold.user === undefined ? uid : undefined);
    const newUser = foothold.user ?? (foothold.uid === undefined ? user : undefined);
    return {
      ...rest,
      ...(newUid === undefined ? {} : { uid: newUid }),
      ...(newUser === undefined ? {} : { user: newUser }),
    };
  }
}
