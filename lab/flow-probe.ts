// The lab's side of a flow probe: starts it in the lab's network and gathers what it tells.
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { FlowLoss, FlowRecord } from '../src/sensors/flows/flow-record.ts';
import type { FlowHealth } from '../src/sensors/flows/flow-watch.ts';
import type { VmOnHost } from '../src/sensors/flows/listening-points.ts';
import type { BridgedPair } from './bridged-pair.ts';

export type ProbeLine =
  | { readonly what: 'opened' | 'ended'; readonly record: FlowRecord }
  | { readonly what: 'lost'; readonly loss: FlowLoss }
  | { readonly what: 'health'; readonly health: FlowHealth };

export interface FlowProbe {
  readonly pid: number;
  readonly opened: readonly FlowRecord[];
  readonly ended: readonly FlowRecord[];
  readonly losses: readonly FlowLoss[];
  /** As last told: when it began to watch, and when it was asked to stop. */
  health(): FlowHealth | null;
  /** Lets it stop in order; returns when it has. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Returns once it watches. */
export async function startFlowProbe(pair: BridgedPair, vms: readonly VmOnHost[]): Promise<FlowProbe> {
  const asked = JSON.stringify({ vms, ovsDatabase: pair.ovsDatabase });
  const child = pair.start([process.execPath, join(import.meta.dirname, 'flow-probe/main.ts'), asked]);
  const opened: FlowRecord[] = [];
  const ended: FlowRecord[] = [];
  const losses: FlowLoss[] = [];
  let health: FlowHealth | null = null;
  const exited = once(child, 'exit');
  const ready = Promise.withResolvers<void>();
  void exited.then(() => ready.reject(new Error('the flow probe ended before it watched')));
  if (child.stdout === null) throw new Error('the flow probe has no output');
  createInterface(child.stdout).on('line', (text) => {
    const line = JSON.parse(text) as ProbeLine;
    if (line.what === 'opened') opened.push(line.record);
    else if (line.what === 'ended') ended.push(line.record);
    else if (line.what === 'lost') losses.push(line.loss);
    else if (line.what === 'health') health = line.health;
    ready.resolve();
  });
  await ready.promise;
  return {
    pid: child.pid ?? 0,
    opened,
    ended,
    losses,
    health: () => health,
    async stop() {
      child.stdin?.end();
      await exited;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
