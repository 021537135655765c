// How a sentinel is: what it watches, what waits, and everything it lost or had to leave out, counted.
import type { Vm } from '../model/vm.ts';
import type { Courier } from './post/courier.ts';
import type { Fleet } from './watch/fleet.ts';
import type { FlowDesk, FlowDeskHealth } from './cross-view/flow-desk.ts';
import type { IntegrityHealth, IntegrityWatch } from './integrity/integrity-watch.ts';
import type { EvidenceHealth } from './evidence/evidence-keeper.ts';
import type { HostEvidence } from './evidence/host-evidence.ts';
import type { HostNetwork } from './network/host-network.ts';
import type { Judge } from './judge.ts';
import type { Outbox } from './post/outbox.ts';
import type { Spool, SpoolHealth } from './post/spool.ts';
import type { Vault } from './vault/vault.ts';

export interface WatchedVm {
  readonly vm: Vm;
  readonly mode: string | null;
  readonly generation: number | null;
  readonly incarnation: number | null;
}

export interface SentinelHealth {
  readonly sentinel: string;
  readonly startedAt: string;
  readonly rssMiB: number;
  readonly vms: readonly WatchedVm[];
  readonly spool: SpoolHealth;
  /** Why the manager cannot be reached; null while it answers. */
  readonly managerAway: string | null;
  /** Why guests could not be looked for; null when they could. */
  readonly findProblem: string | null;
  /** Whose kernel and processes are watched over, and how many times all of it was looked at. */
  readonly integrity: readonly IntegrityHealth[];
  /** Null = flows are not watched. */
  readonly flows: FlowDeskHealth | null;
  /** Measures on the network: how many are wanted, and how often the switches had to be held to them. */
  readonly network: ReturnType<HostNetwork['health']>;
  /** What was collected and is kept on this host. */
  readonly evidence: EvidenceHealth;
  readonly refusedFacts: number;
  readonly unusableEvents: Readonly<Record<string, number>>;
}

export interface HealthInput {
  readonly name: string;
  readonly startedAt: string;
  readonly fleet: Fleet;
  readonly vault: Pick<Vault<unknown>, 'inForce'>;
  readonly spool: Spool;
  readonly courier: Courier;
  readonly outbox: Outbox;
  readonly judge: Judge;
  readonly integrity: IntegrityWatch;
  readonly flows: FlowDesk | null;
  readonly network: HostNetwork;
  readonly evidence: Pick<HostEvidence, 'health'>;
}

export function healthOf(input: HealthInput): SentinelHealth {
  const { fleet, vault } = input;
  return {
    sentinel: input.name,
    startedAt: input.startedAt,
    rssMiB: Math.round(process.memoryUsage.rss() / 1024 / 1024),
    vms: fleet.views().map((vm) => {
      const manifest = vault.inForce(vm.id)?.manifest;
      return {
        vm,
        mode: manifest?.mode ?? null,
        generation: manifest?.generation ?? null,
        incarnation: fleet.get(vm.id)?.incarnation ?? null,
      };
    }),
    spool: input.spool.health(),
    managerAway: input.courier.away,
    findProblem: fleet.findProblem,
    integrity: input.integrity.health(),
    flows: input.flows?.health() ?? null,
    network: input.network.health(),
    evidence: input.evidence.health(),
    refusedFacts: input.outbox.refused,
    unusableEvents: Object.fromEntries(input.judge.unusable),
  };
}
