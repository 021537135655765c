// How far answers may go without a person: a wrong manifest must not take a whole tier down. Pure: who was cut off or stopped
// lately comes in.
import type { ResponsePolicy } from '../../model/response-policy.ts';

/** A VM that an answer isolated or stopped. */
export interface Disruption {
  readonly vm: string;
  readonly scope: string;
  /** Name of the service within its scope. */
  readonly service: string;
  readonly host: string;
  readonly atMs: number;
}

/** Where a VM stands, and who stands beside it. */
export interface Standing {
  readonly scope: string;
  readonly service: string;
  readonly host: string;
  /** Members of the service that are known here, this one included, and how many of the others run. */
  readonly members: number;
  readonly othersRunning: number;
}

export interface BlastLimits {
  readonly service: number;
  readonly scope: number;
  readonly host: number;
  readonly minutes: number;
}

const minuteMs = 60_000;
const limitsDefault: BlastLimits = { service: 3, scope: 10, host: 10, minutes: 60 };

export function limitsOf({ limits = {} }: ResponsePolicy): BlastLimits {
  return { ...limitsDefault, ...limits };
}

/** Why the VM may not be isolated or stopped without a person; null when it may. The VM itself never counts against itself. */
export function radiusObjection(
  vm: string,
  at: Standing,
  recent: readonly Disruption[],
  limits: BlastLimits,
  nowMs: number,
): string | null {
  if (at.members > 1 && at.othersRunning === 0)
    return `it is the last running member of ${at.scope}/${at.service} that can be seen from here`;
  const fresh = recent.filter((one) => one.vm !== vm && nowMs - one.atMs < limits.minutes * minuteMs);
  const inScope = fresh.filter((one) => one.scope === at.scope);
  const counts = [
    [inScope.filter((one) => one.service === at.service), limits.service, `${at.scope}/${at.service}`],
    [inScope, limits.scope, `scope ${at.scope}`],
    [fresh.filter((one) => one.host === at.host), limits.host, `host ${at.host}`],
  ] as const;
  for (const [those, limit, where] of counts) {
    const vms = new Set(those.map((one) => one.vm)).size;
    if (vms >= limit)
      return `${vms} VMs of ${where} were isolated or stopped within ${limits.minutes} minutes, which is as many as may be without a person`;
  }
  return null;
}
