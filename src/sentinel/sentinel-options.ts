// What a sentinel is started with. Everything it stands on is handed in.
import type { Clock } from '../kit/clock.ts';
import type { Log } from '../kit/log.ts';
import type { TrustedKeys } from '../protocols/dsse/keys.ts';
import type { ManagerEnd } from '../wire/link.ts';
import type { EvidenceLimits } from './evidence/evidence-keeper.ts';
import type { GuestSource } from './watch/guest-source.ts';
import type { PaceLimits } from './watch/pace.ts';
import type { SpoolLimits } from './post/spool.ts';
import type { StartTracer } from './tracing/tracer-messages.ts';
import type { HostNetworkOptions } from './network/host-network.ts';

export interface SentinelOptions extends Pick<HostNetworkOptions, 'bridgeEnforcer'> {
  /** Name of this sentinel, as the manager knows it; the host's name by default in the CLI. */
  readonly name: string;
  readonly stateDir: string;
  readonly trusted: TrustedKeys;
  readonly manager: ManagerEnd;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: the QEMU guests of this host. */
  readonly source?: GuestSource;
  readonly spool?: SpoolLimits;
  readonly pace?: PaceLimits;
  /** After how long a watched VM that runs and cannot be looked into is told as a guard event. Default 15 s. */
  readonly lostSightMs?: number;
  /** Default: a process of its own for each traced VM. */
  readonly startTracer?: StartTracer;
  /** Watch the VMs' flows outside them and hold them against the sockets inside. Default false: it needs root and tcpdump. */
  readonly flows?: boolean;
  /** How long an attempt may be held for a person before it is refused. Default 60 s. */
  readonly holdMs?: number;
  /** Told while it starts what it waits for now. */
  readonly waitsFor?: (what: string) => void;
  /** How much of what was collected is kept on this host. Default: 90 days, 50 GiB. */
  readonly evidence?: Partial<EvidenceLimits>;
}
