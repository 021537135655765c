// What can be seen of a Linux guest from outside: the public shapes. Values only; everything a guest says in them is
// untrusted text, already capped and free of NUL bytes.

/**
 * Why a task's identity is not to be relied upon in this sweep.
 * `exec` = seen in the middle of an execve; `exit` = on its way out, its memory may be gone; `torn` = it changed while
 * it was read, twice. A transient task says only what is certain of it: `exe` and `argv` are null unless they were
 * read earlier, of the very same program image.
 */
export type Transience = 'exec' | 'exit' | 'torn';

/** Inode numbers of the namespaces a task lives in, as `/proc/PID/ns/*` shows them. 0 = could not be read. */
export interface NamespaceView {
  readonly pid: number;
  readonly mnt: number;
  readonly net: number;
  readonly user: number;
  readonly uts: number;
  readonly ipc: number;
  readonly cgroup: number;
}

/**
 * One process, or one thread when threads were asked for.
 * A task in which nothing changed is the *same object* from sweep to sweep, so `before === now` means "as before".
 */
export interface TaskView {
  /**
   * Names one program image: process, start and exec generation. The same pid after an execve, or reused by another
   * process, has another id. Unique within one boot of one guest.
   */
  readonly id: string;
  /** Thread id; equals `tgid` for a process. */
  readonly pid: number;
  /** Process id as the guest's initial pid namespace counts. */
  readonly tgid: number;
  /** Process id of the parent; 0 for the first ones. */
  readonly ppid: number;
  /** Real user id, in the guest's initial user namespace. */
  readonly uid: number;
  /** Effective user id. */
  readonly euid: number;
  /** The kernel's short name, at most 15 bytes; any process can choose its own. */
  readonly comm: string;
  /** A thread of the kernel itself; it has neither `exe` nor `argv`. */
  readonly kernelThread: boolean;
  /** Microseconds from boot (suspended time included) to the start of the process. Exact; never changes. */
  readonly startedAfterBootUs: number;
  /** Milliseconds since the Unix epoch, by the guest's clock; moves when the guest's clock is set. */
  readonly startedMs: number;
  /** How many execs led to this program image, in this process and its ancestors. */
  readonly execGeneration: number;
  /** Forked from its parent and never execed since: still runs the parent's program. */
  readonly forkedNotExeced: boolean;
  /** Null: identity is complete. */
  readonly transient: Transience | null;
  /**
   * Path of the executable in the guest's mount tree, mounts crossed; ends in ` (deleted)` when it was unlinked;
   * `/memfd:NAME (deleted)` when it never had a file. Null for kernel threads and when unreadable; in a light sweep also
   * null unless an earlier full one read it, and so for `argv`, `cgroup` and `namespaces`.
   */
  readonly exe: string | null;
  /**
   * Arguments with the program's own name first. Empty ones at the end are left out: they cannot be told from the padding
   * that programs leave which write a title over their arguments. Null as for `exe`. Swapped-out stretches read as `?`.
   */
  readonly argv: readonly string[] | null;
  /** Path in the unified (v2) cgroup tree, `/` at its root; null as for `exe`, but for no other reason in a kernel thread. */
  readonly cgroup: string | null;
  /** Null as for `cgroup`. */
  readonly namespaces: NamespaceView | null;
}

/** Linux's own names; a bound or connected UDP socket is `CLOSE` or `ESTABLISHED`, as Linux has it. */
export type SocketState =
  | 'ESTABLISHED'
  | 'SYN_SENT'
  | 'SYN_RECV'
  | 'FIN_WAIT1'
  | 'FIN_WAIT2'
  | 'TIME_WAIT'
  | 'CLOSE'
  | 'CLOSE_WAIT'
  | 'LAST_ACK'
  | 'LISTEN'
  | 'CLOSING'
  | 'NEW_SYN_RECV'
  | 'BOUND_INACTIVE';

export interface SocketHolder {
  /** Process id (tgid) that has the socket open. */
  readonly pid: number;
  readonly fd: number;
}

/** One socket of the guest; as with tasks, an unchanged one is the same object from sweep to sweep. */
export interface SocketView {
  readonly protocol: 'tcp' | 'udp';
  /** 4 or 6; an IPv4 connection on an IPv6 socket is 6 with `::ffff:` addresses, as the guest sees it. */
  readonly family: 4 | 6;
  readonly state: SocketState;
  /** Text form (RFC 5952 for IPv6); `0.0.0.0` or `::` when bound to every address. */
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  /** 0 when not connected. */
  readonly remotePort: number;
  /** Inode number of the network namespace; 0 = unknown. */
  readonly netNamespace: number;
  /** Who has it open, lowest pid first; empty for orphans, TIME_WAIT and the kernel's own sockets. */
  readonly holders: readonly SocketHolder[];
  /**
   * Present when the socket is open as a file although `holders` is empty: a process that is kept from the list has it, or it is
   * being handed over or taken down at this moment, or io_uring keeps it. Told of listeners and established connections only.
   */
  readonly heldUnseen?: true;
}

export interface ModuleView {
  readonly name: string;
  /** `0x` and hexadecimal: where its code lies in the guest kernel's address space. */
  readonly base: string;
  readonly sizeBytes: number;
}

/**
 * What a sweep could not see, counted.
 * `torn` = changed while read; `bounded` = a limit was reached and the rest not read; `transient` = mid-exec or exiting;
 * `unreadable` = a pointer or page led nowhere.
 */
export type NoteKind = 'torn' | 'bounded' | 'transient' | 'unreadable';

export interface SweepNote {
  readonly kind: NoteKind;
  readonly count: number;
  /** What it was about, for a person. */
  readonly detail: string;
}

export interface SweepCost {
  /** Guest pages (4 KiB) looked at. */
  readonly pages: number;
  /** System calls made to read them. */
  readonly reads: number;
  readonly durationMs: number;
}

export interface SweepOptions {
  /** Read no exe, argv, cgroup, namespaces or sockets: several times cheaper. Default false. */
  readonly light?: boolean;
  /** Also list threads other than the first of each process. Default false. */
  readonly threads?: boolean;
  /** Default true, unless `light`. */
  readonly sockets?: boolean;
}

export interface SweepResult {
  /** Milliseconds since the Unix epoch by the host's clock, when the sweep began. */
  readonly takenMs: number;
  /** Processes (and threads, when asked for), in the order of the kernel's list; the idle task (pid 0) is left out. */
  readonly tasks: readonly TaskView[];
  /** Empty when sockets were not asked for. */
  readonly sockets: readonly SocketView[];
  /** False when anything is missing that should be here; `notes` says what. Transient tasks alone do not count. */
  readonly complete: boolean;
  readonly notes: readonly SweepNote[];
  readonly cost: SweepCost;
}

/** Counters that move whenever the guest does anything; made to be polled every few milliseconds. */
export interface Activity {
  /** Processes and threads created since boot. */
  readonly forks: number;
  /** Timer ticks since the kernel started; stands still while the guest is paused. */
  readonly ticks: number;
  /**
   * TCP connections opened and accepted and UDP datagrams sent and received since boot, in the guest's initial network
   * namespace; 0 where the kernel's counters cannot be read.
   */
  readonly traffic: number;
}

export interface GuestIdentity {
  /** `Linux version ...` as the kernel says it. */
  readonly banner: string;
  /** Hexadecimal GNU build id of the kernel. */
  readonly buildId: string;
  /** The initial UTS namespace's node name. */
  readonly hostname: string;
  /** Milliseconds since the Unix epoch when the guest booted, by the guest's clock where it can be read. */
  readonly bootedMs: number;
  /** Whose clock `bootedMs` comes from. */
  readonly bootedBy: 'guest-clock' | 'host-clock';
  /** Virtual CPUs the guest kernel has online. */
  readonly cpus: number;
}

/**
 * Whether a session still looks at the system it was attached to.
 * `changed` = another system runs there now (reboot, kexec, snapshot revert): close and attach again.
 * `gone` = the QEMU process ended. `unknown` = could not be asked (paused in firmware, monitor taken): ask again.
 */
export type Liveness =
  | { readonly state: 'same' }
  | { readonly state: 'changed' | 'gone' | 'unknown'; readonly why: string };
