// What a tracer reports: every process start, connection and listener of a guest, in the order in which they happened, and
// every stretch of time for which that cannot be claimed. Values only; whatever a guest says in them is untrusted, capped text.

export type TracedKind = 'exec' | 'fork' | 'exit' | 'setuid' | 'connect' | 'accept' | 'listen' | 'bind' | 'module';

/** One thing that happened. Fields that a kind does not have, or that could not be read, are null. */
export interface TracedEvent {
  readonly kind: TracedKind;
  /** Host clock, ISO 8601 with microseconds: when the guest was stopped at it. */
  readonly ts: string;
  /** Rises by one for each line of a trace, losses included: a gap means a lost line. */
  readonly seq: number;
  /** Thread id. */
  readonly pid: number;
  /** Process id as the guest's initial pid namespace counts. */
  readonly tgid: number;
  /** Process id of the parent. */
  readonly ppid: number;
  readonly uid: number;
  readonly euid: number;
  readonly comm: string;
  /** As in a sweep: ends in ` (deleted)` when unlinked, `/memfd:NAME (deleted)` when it never had a file. */
  readonly exe: string | null;
  readonly argv: readonly string[] | null;
  readonly parentExe: string | null;
  readonly parentArgv: readonly string[] | null;
  /** Executables from the parent upwards, nearest first, bounded. */
  readonly ancestors: readonly string[];
  /** Names the program image as `TaskView.id` of a sweep does, so that both can be held together. */
  readonly image: string;
  /** Microseconds from the guest's boot to the start of the process; never changes. */
  readonly startedAfterBootUs: number;
  readonly cgroup: string | null;
  readonly proto: 'tcp' | 'udp' | null;
  readonly localAddr: string | null;
  readonly localPort: number | null;
  readonly remoteAddr: string | null;
  readonly remotePort: number | null;
  /** fork: the child; setuid: none. */
  readonly childPid: number | null;
  /** module: its name. */
  readonly module: string | null;
  /** What was answered at the stop, when something was asked. */
  readonly verdict: Verdict | null;
}

/** From `from` to `until` something may have gone unseen, or is known to have. No quiet may be claimed for it. */
export interface TraceLoss {
  readonly kind: 'loss';
  readonly ts: string;
  readonly seq: number;
  readonly from: string;
  readonly until: string;
  /** How many events are known to be missing; null = not known. */
  readonly missed: number | null;
  readonly reason: string;
}

export type TraceLine = TracedEvent | TraceLoss;

export interface TraceSummary {
  readonly kind: 'summary';
  readonly counts: Readonly<Record<TracedKind, number>>;
  /** Events known to be lost, and doubtful stretches. */
  readonly lost: number;
  readonly losses: number;
  readonly stops: number;
  /** Milliseconds for which the guest stood still for the trace. */
  readonly stolenMs: number;
  /** Attempts refused, and attempts that should have been and could not. */
  readonly refused: number;
  readonly notRefused: number;
}

/**
 * allow = let it happen; block = make the call fail for that process; kill = end the process as well;
 * hold = keep the whole VM standing until somebody decides or a deadline passes.
 */
export type Verdict = 'allow' | 'block' | 'kill' | 'hold';

/** An attempt the guest's kernel has not carried out yet. Same fields as the event it would become. */
export type Attempt = Omit<TracedEvent, 'seq' | 'verdict'> & {
  readonly kind: 'exec' | 'connect' | 'listen' | 'bind';
  /** exec: a script. Its interpreter is asked about next, with the script among its arguments, if this one is let through. */
  readonly interpreted?: boolean;
};

/** Asked while the guest stands still: must answer at once, in microseconds. What it throws lets the attempt through, counted. */
export type Decide = (attempt: Attempt) => Verdict;
