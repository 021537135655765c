// The contract every switch keeps that carries out measures on a VM's port: what it can do, doing it, taking it back, and reading
// back what is in force. It decides nothing and remembers nothing: the switch is the memory.
import type { Result } from '../../kit/result.ts';
import type { NetworkMeasure, NetworkMeasureKind, VmPort } from '../../model/network-measure.ts';
import type { ActOutcome } from './enforcer.ts';

export interface NetworkEnforcer {
  /** What works it: `nftables`, `openvswitch` ... */
  readonly backend: string;
  /** What can be done to this port here and now; what cannot comes with the reason. Never throws. */
  capabilities(port: VmPort): Promise<readonly NetworkCapability[]>;
  /**
   * Brings a measure into force and reads it back. `id` is the remediation's: letters, digits, dot, dash, underscore, 64 at most.
   * A measure is keyed by VM, interface and id; applied again it changes nothing, unless something of it was missing.
   */
  apply(port: VmPort, id: string, measure: NetworkMeasure): Promise<MeasureOutcome>;
  /** Takes back what that id put into force on that port and reads back that it is gone; nothing to take back is `done`. */
  release(port: VmPort, id: string): Promise<MeasureOutcome>;
  /** What of ours is in force on this interface, whichever VM it was for, as the switch itself says. */
  inForce(port: VmPort): Promise<Result<readonly MeasureInForce[]>>;
}

export interface NetworkCapability {
  readonly measure: NetworkMeasureKind;
  readonly available: boolean;
  /** Why not, and what would mend it. */
  readonly why: string | null;
}

/** `changed` = something had to be done, so that a measure that was believed to be in force was not. */
export type MeasureOutcome = ActOutcome & { readonly changed: boolean };

export interface MeasureInForce {
  readonly id: string;
  readonly kind: NetworkMeasureKind;
  /** `vmMark` of the VM it was ordered for: an interface's name may be another VM's by now. */
  readonly vm: string;
  /** Null = in force whole; otherwise what of it is missing in the switch. */
  readonly missing: string | null;
  /** Milliseconds until the switch itself ends it; null = until it is released. */
  readonly endsInMs: number | null;
}
