// The programs the command line starts, behind an interface of what it asks of them. Each is loaded when it is needed, because
// a verb like `alarms` should not wait for the code that reads guest memory.
import type { Log } from '../kit/log.ts';
import type { Result } from '../kit/result.ts';
import type { EvaluateInput } from '../evaluate/evaluate.ts';
import type { Evaluation } from '../evaluate/evaluation.ts';
import type { ReplayReport } from '../evaluate/replay.ts';
import type { Manifest } from '../model/manifest.ts';
import type { PsView, SocketsView } from '../sentinel/local/local-views.ts';
import type { BridgeEnforcer } from '../sentinel/network/bridge-enforcer.ts';
import type { ExecutableIdentity, IntegrityReport } from '../sentinel/local/local-integrity.ts';
import type { LocalTraceOptions, Traced } from '../sentinel/local/local-trace.ts';
import type { SelftestOptions, SelftestStep } from '../sentinel/selftest/selftest.ts';
import type { VerifiedBundle } from '../manager/evidence/verify-bundle.ts';
import type { VerifiedManifest } from '../sentinel/vault/trust.ts';
import type { Vm } from '../model/vm.ts';

export interface Programs {
  listVms(stateDir: string): Promise<Result<readonly Vm[]>>;
  /** Without looking into them. */
  vmNames(stateDir: string): Promise<Result<readonly string[]>>;
  ps(stateDir: string, vm: string, options: { readonly threads: boolean }): Promise<Result<PsView>>;
  sockets(stateDir: string, vm: string): Promise<Result<SocketsView>>;
  /** Follows a VM until `stop` is aborted. */
  trace(stateDir: string, vm: string, options: TraceOptions): Promise<Result<Traced>>;
  /** `vmlinuz` = the kernel file to hold the guest's kernel against. */
  integrity(stateDir: string, vm: string, vmlinuz: string | null): Promise<Result<IntegrityReport>>;
  hash(stateDir: string, vm: string, pid: number): Promise<Result<ExecutableIdentity>>;
  selftest(stateDir: string, options: SelftestQuestion): Promise<Result<readonly SelftestStep[]>>;
  /** Opens a signed manifest with the keys a sentinel of this state directory trusts. */
  verifyManifest(stateDir: string, envelope: unknown, trustFile?: string): Promise<Result<VerifiedManifest>>;
  /** Checks a bundle of evidence with the keys of this state directory, or those of a trust list. */
  verifyBundle(stateDir: string, file: string, trustFile?: string): Promise<Result<VerifiedBundle>>;
  replay(files: readonly string[], manifest: Manifest): Promise<Result<ReplayReport>>;
  evaluate(input: EvaluateInput): Promise<Result<Evaluation>>;
  /** Manager and sentinel of this machine in this process, until they are closed. */
  serve(options: ServeOptions): Promise<Result<Serving>>;
}

export type SelftestQuestion = Pick<SelftestOptions, 'vm' | 'refuse' | 'stop' | 'onStep'>;

export type TraceOptions = Pick<LocalTraceOptions, 'stop' | 'forMs' | 'onLine'>;

export interface ServeOptions {
  readonly stateDir: string;
  /** Where the sentinels of this host meet. */
  readonly runDirectory: string;
  /** Told what is waited for now. */
  readonly waitsFor: (what: string) => void;
  /** Undefined = as the configuration says. */
  readonly port?: number;
  readonly configFile?: string;
  /** The sentinel watches flows outside the VMs as well. */
  readonly flows?: boolean;
  /** Who acts on Linux bridges; undefined = nftables where it can. */
  readonly bridgeEnforcer?: BridgeEnforcer;
  /** Each program's own. */
  readonly log: (program: string) => Log;
}

export interface Serving {
  /** `http://127.0.0.1:7420` */
  readonly address: string;
  /** Opens the console without asking for the token, which it holds. */
  readonly console: string;
  close(): Promise<Result<null>>;
}
