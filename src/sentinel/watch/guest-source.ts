// What the sentinel needs from introspection: to find guests, to hold their monitor, to look into them. One seam, so that
// the simulated hypervisor stands in for QEMU in tests.
import type { Result } from '../../kit/result.ts';
import type {
  Activity,
  GuestIdentity,
  Liveness,
  SweepOptions,
  SweepResult,
} from '../../introspection/guest/guest-view.ts';
import type { ExecutableIdentity } from '../../introspection/identity/executable-identity.ts';
import type { GuestHandle } from '../../introspection/hypervisor/guest-handle.ts';
import type { Enforcer } from '../../connectors/enforcement/enforcer.ts';
import type { IntegrityTarget } from '../integrity/integrity-look.ts';
import type { TraceGround } from '../tracing/vm-trace.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';

/** A guest that is attached to; lives until closed or until the system in it changes. */
export interface GuestSession {
  readonly identity: GuestIdentity;
  /** Costs microseconds; `ticks` below zero = the counters cannot be read now. */
  activity(): Activity;
  sweep(options?: SweepOptions): Result<SweepResult>;
  check(): Promise<Liveness>;
  /** Whether the guest passes on packets of others; null = not known. */
  forwards(): boolean | null;
  /** What the executable of a process is by its contents. */
  hash(pid: number): Promise<Result<ExecutableIdentity>>;
  close(): void;
}

export interface GuestSource {
  find(): Result<readonly GuestHandle[]>;
  /** Whether the QEMU process of this run still lives. */
  alive(handle: GuestHandle): boolean;
  /** QEMU serves one client: whoever holds the line keeps everybody else out. */
  connect(handle: GuestHandle): Promise<Result<Monitor>>;
  attach(handle: GuestHandle, monitor: Monitor): Promise<Result<GuestSession>>;
  enforcer(handle: GuestHandle, monitor: Monitor): Enforcer;
  /** Of a VM that does not run and that its hypervisor keeps to be started again; null = there is no such VM. Absent = none is kept. */
  kept?(vm: string): Promise<Enforcer | null>;
  /** What another thread needs to look into the guest by itself. */
  integrityTarget(handle: GuestHandle, monitor: Monitor): Promise<Result<IntegrityTarget>>;
  /** Makes the guest ready to be traced by another process. */
  traceGround(handle: GuestHandle, monitor: Monitor): Promise<Result<TraceGround>>;
}
