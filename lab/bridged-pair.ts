// Two plain guests on the lab's network, on a Linux bridge or on Open vSwitch, with a program that makes traffic of known number
// and size in each of them and at the gateway, and the kernel's own count of every packet. Needs root.
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import { runCommand } from './commands.ts';
import { guestProgram } from './guest-programs.ts';
import { labNetwork } from './gateway/protocol.ts';
import { ovsDatabaseIn } from './gateway/open-vswitch.ts';
import { startGateway, type Gateway } from './gateway.ts';
import { bootGuest, type Guest } from './guest.ts';
import type { KernelRelease } from './kernels.ts';
import { preparePlainGuest } from './plain-guest.ts';
import { makeRunDirectory } from './run-directory.ts';
import { startPacketCount, type PacketCount } from './packet-count.ts';

export type Side = 'left' | 'right';

export interface BridgedPair {
  readonly guests: Readonly<Record<Side, Guest>>;
  readonly addresses: Readonly<Record<Side | 'gateway', string>>;
  readonly gateway: Gateway;
  /** Where the lab's Open vSwitch can be asked; null on a Linux bridge. */
  readonly ovsDatabase: string | null;
  /** `lab/programs/traffic.c` on this host. */
  readonly traffic: string;
  /** A command as it must be started to run inside the lab's network namespace. */
  inside(argv: readonly string[]): readonly string[];
  /** Runs on inside the lab's network until the pair is stopped. */
  start(argv: readonly string[]): ChildProcess;
  /** Every packet on the lab's network from now on, counted by its kernel. */
  count(): Promise<Result<PacketCount>>;
  stop(): Promise<void>;
}

export interface BridgedPairOptions {
  readonly switch: 'bridge' | 'ovs';
  readonly kernel?: KernelRelease;
  /** Put before the guests' names. */
  readonly prefix?: string;
}

/** Where `traffic` is in the guests. */
export const trafficInGuest = '/tmp/traffic';
const sides: readonly Side[] = ['left', 'right'];
const addresses = { left: '10.77.0.21', right: '10.77.0.22', gateway: labNetwork.gateway } as const;

export async function openBridgedPair(options: BridgedPairOptions): Promise<Result<BridgedPair>> {
  const parts = await preparePlainGuest(options.kernel ?? '6.1');
  if (!parts.ok) return parts;
  const traffic = await guestProgram('traffic');
  if (!traffic.ok) return traffic;
  const runDirectory = await makeRunDirectory('pair');
  const ovsDirectory = options.switch === 'ovs' ? join(runDirectory, 'ovs') : null;
  const gateway = await startGateway(ovsDirectory === null ? {} : { ovsDirectory });
  if (!gateway.ok) return gateway;
  const published = await gateway.value.ask('publish', { name: 'traffic', path: traffic.value });
  if (!published.ok) return published;
  const booted = await Promise.all(
    sides.map(async (side, index) => {
      const tap = `plb${side}`;
      const added = await gateway.value.ask('addTap', { tap });
      if (!added.ok) return added;
      return bootGuest({
        ...parts.value,
        name: `${options.prefix ?? ''}${side}`,
        network: {
          tap,
          mac: `52:54:00:77:01:${(0x21 + index).toString(16)}`,
          address: `${addresses[side]}/${labNetwork.prefixLength}`,
          gateway: labNetwork.gateway,
          plain: ovsDirectory !== null,
        },
        namespaceOf: gateway.value.pid,
        runDirectory,
      });
    }),
  );
  const [left, right] = booted.filter((guest) => guest.ok).map((guest) => guest.value);
  if (left === undefined || right === undefined) {
    await left?.stop();
    await gateway.value.stop();
    return booted.find((guest) => !guest.ok) ?? fail(problem('failed', 'The pair has no two guests.'));
  }
  const pair = pairOver(gateway.value, { left, right }, traffic.value, ovsDirectory);
  for (const side of sides) {
    const from = `http://${labNetwork.gateway}:${labNetwork.servicePort}/packages/traffic`;
    const fetched = await pair.guests[side].run(`wget -q -O ${trafficInGuest} ${from} && chmod 755 ${trafficInGuest}`);
    if (fetched.code === 0) continue;
    await pair.stop();
    return fail(problem('failed', `${side} could not fetch its program: ${fetched.out}`));
  }
  return ok(pair);
}

function pairOver(
  gateway: Gateway,
  guests: Readonly<Record<Side, Guest>>,
  traffic: string,
  ovsDirectory: string | null,
): BridgedPair {
  const inside = (argv: readonly string[]): readonly string[] => [
    'nsenter',
    `--net=/proc/${gateway.pid}/ns/net`,
    ...argv,
  ];
  const children: ChildProcess[] = [];
  return {
    guests,
    addresses,
    gateway,
    ovsDatabase: ovsDirectory === null ? null : ovsDatabaseIn(ovsDirectory),
    traffic,
    inside,
    start(argv) {
      const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...inside(argv)], { stdio: ['pipe', 'pipe', 'inherit'] });
      children.push(child);
      return child;
    },
    count: async () =>
      startPacketCount(['plbleft', 'plbright'], async (argv, input) =>
        runCommand(inside(argv), input === undefined ? {} : { input }),
      ),
    async stop() {
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(sides.map(async (side) => guests[side].stop()));
      await gateway.stop();
    },
  };
}
