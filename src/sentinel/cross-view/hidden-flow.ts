// What the cross-view of flows outside and sockets inside compares, and what it finds.
import type { SocketView } from '../../introspection/guest/guest-view.ts';
import type { FlowRecord } from '../../sensors/flows/flow-record.ts';

/**
 * hidden-flow = the guest keeps up a connection for which it has no socket, or one that no process it lists holds;
 * hidden-listener = it agrees to connections on a port on which nothing in it listens.
 */
export interface HiddenFlow {
  readonly vm: string;
  /** ISO 8601, host clock: when it was certain. */
  readonly at: string;
  readonly what: 'hidden-flow' | 'hidden-listener';
  /** For a person: what was seen and how often it was looked for. */
  readonly detail: string;
  readonly flow: FlowRecord;
}

/** A look inside, as a sweep gives it. */
export interface InsideLook {
  /** Host clock, when it began; the sockets were read within `durationMs` of it. */
  readonly takenMs: number;
  readonly durationMs: number;
  /** False: something may be missing, so that nothing can be said to be absent. */
  readonly complete: boolean;
  /** Processes were caught on their way in or out: what is open and held by nobody may be theirs. */
  readonly unsettled: boolean;
  readonly sockets: readonly SocketView[];
}

/** What is known of the VM beside its sockets. */
export interface GuestNetwork {
  /** Addresses the VM itself has claimed on the wire. */
  readonly claimed: ReadonlySet<string>;
  /** It passes on packets of others (`ip_forward`): null = not known. What has no socket may then be somebody else's. */
  readonly forwards: boolean | null;
}
