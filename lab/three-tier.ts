// The lab's application: a shop of three virtual machines on a bridge, with visitors, periodic jobs and a way to restore it.
import { setTimeout as wait } from 'node:timers/promises';
import { problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import { offerMaintenance, offerUpdate, type BenignChange } from './benign-changes.ts';
import { openDoor } from './door.ts';
import type { GatewayCounts, HttpAnswer } from './gateway/protocol.ts';
import { labNetwork } from './gateway/protocol.ts';
import { startGateway, type Gateway } from './gateway.ts';
import { bootGuest, type Guest } from './guest.ts';
import { buildInitramfs } from './initramfs.ts';
import { fetchKernel, type Kernel, type KernelRelease } from './kernels.ts';
import type { GuestHardware } from './qemu-command.ts';
import { makeRunDirectory } from './run-directory.ts';
import { buildTierDisk, tiers, type Tier } from './tier-disk.ts';

export interface ThreeTierOptions {
  readonly kernel?: KernelRelease;
  readonly hardware?: Partial<GuestHardware>;
  /** Put before the guests' names, so that two labs on one host can be told apart. */
  readonly prefix?: string;
  readonly say?: (line: string) => void;
}

export interface ThreeTierLab {
  readonly guests: Readonly<Record<Tier, Guest>>;
  /** Tap device of each guest, in the lab's network namespace. */
  readonly taps: Readonly<Record<Tier, string>>;
  readonly runDirectory: string;
  /** Process whose network namespace is the lab's. */
  readonly namespacePid: number;
  /** A command as it must be started to run inside the lab's network namespace. */
  inside(argv: readonly string[]): readonly string[];
  /** Makes 127.0.0.1:port of the lab's network namespace reachable at the same address on the host. */
  openDoor(port: number): Promise<Result<void>>;
  startLoad(): Promise<Result<void>>;
  stopLoad(): Promise<Result<void>>;
  counts(): Promise<Result<GatewayCounts>>;
  /** One HTTP request to the web tier from the gateway's address. */
  visit(path: string, body?: string): Promise<Result<HttpAnswer>>;
  /** Legitimate but never seen before: a new version of a program, installed by the machine's own agent within 12 s. */
  update(version: string): Promise<Result<BenignChange>>;
  /** Legitimate but never seen before: an administrator's command. Can be repeated with the same or another task. */
  maintain(tier: Tier, task: string): Promise<Result<BenignChange>>;
  readonly gateway: Gateway;
  /** One guest back as it was when the shop had just opened, running. */
  restore(tier: Tier): Promise<Result<void>>;
  stop(): Promise<void>;
}

/** Name of the snapshot that every guest has from the moment the shop first answered. */
export const cleanSnapshot = 'clean';
const openingPatienceMs = 60_000;

/** Boots the shop and returns once an order has gone through all three tiers. Needs root. */
export async function openThreeTierLab(options: ThreeTierOptions = {}): Promise<Result<ThreeTierLab>> {
  const say = options.say ?? (() => {});
  const parts = await prepareThreeTierLab(options.kernel ?? '6.1');
  if (!parts.ok) return parts;
  const gateway = await startGateway();
  if (!gateway.ok) return gateway;
  const runDirectory = await makeRunDirectory('shop');
  const booted = await Promise.all(
    tiers.map(async (tier, index) => {
      const tap = tapOf(tier);
      const added = await gateway.value.ask('addTap', { tap });
      if (!added.ok) return added;
      return bootGuest({
        name: `${options.prefix ?? ''}${tier}`,
        kernel: parts.value.kernel,
        initramfs: parts.value.initramfs,
        disk: parts.value.disks[tier],
        hardware: options.hardware ?? {},
        network: {
          tap,
          mac: `52:54:00:77:00:${(0x11 + index).toString(16)}`,
          address: `${labNetwork.machines[tier]}/${labNetwork.prefixLength}`,
          gateway: labNetwork.gateway,
        },
        namespaceOf: gateway.value.pid,
        append: [`lab.hostname=${tier}`],
        runDirectory,
      });
    }),
  );
  const running = booted.filter((guest) => guest.ok).map((guest) => guest.value);
  const [web, app, db] = running;
  const lost = booted.find((guest) => !guest.ok);
  if (lost !== undefined || web === undefined || app === undefined || db === undefined) {
    await Promise.all(running.map(async (guest) => guest.stop()));
    await gateway.value.stop();
    return lost ?? fail(problem('failed', 'The shop has no three guests.'));
  }
  say('Three guests answer.');
  const lab = labOver(gateway.value, { web, app, db }, runDirectory);
  const opened = await waitForOrder(lab);
  const kept = opened.ok ? await keepClean(lab) : opened;
  if (!kept.ok) {
    await lab.stop();
    return kept;
  }
  say('An order went through all three tiers; each guest has a clean snapshot.');
  return ok(lab);
}

export interface ShopParts {
  readonly kernel: Kernel;
  readonly initramfs: string;
  readonly disks: Readonly<Record<Tier, string>>;
}

/** Fetches and builds all the shop needs, without starting anything. */
export async function prepareThreeTierLab(release: KernelRelease): Promise<Result<ShopParts>> {
  const kernel = await fetchKernel(release);
  if (!kernel.ok) return kernel;
  const initramfs = await buildInitramfs(kernel.value);
  if (!initramfs.ok) return initramfs;
  const disks: Partial<Record<Tier, string>> = {};
  for (const tier of tiers) {
    const disk = await buildTierDisk(tier);
    if (!disk.ok) return disk;
    disks[tier] = disk.value;
  }
  return ok({ kernel: kernel.value, initramfs: initramfs.value, disks: disks as Record<Tier, string> });
}

function tapOf(tier: Tier): string {
  return `plb${tier}`;
}

async function waitForOrder(lab: ThreeTierLab): Promise<Result<void>> {
  const deadline = performance.now() + openingPatienceMs;
  let last = 'nothing';
  while (performance.now() < deadline) {
    const answer = await lab.visit('/cgi-bin/order?item=chair');
    if (answer.ok && answer.value.body.includes('"orders"')) return ok(undefined);
    last = answer.ok ? `${answer.value.status} ${answer.value.body.slice(0, 200)}` : answer.error.message;
    await wait(200);
  }
  return fail(problem('failed', `The shop took no order within ${openingPatienceMs / 1000} s; it last said: ${last}`));
}

async function keepClean(lab: ThreeTierLab): Promise<Result<void>> {
  for (const tier of tiers) {
    const kept = await lab.guests[tier].snapshot(cleanSnapshot);
    if (!kept.ok) return kept;
  }
  return ok(undefined);
}

function labOver(gateway: Gateway, guests: Readonly<Record<Tier, Guest>>, runDirectory: string): ThreeTierLab {
  const enter = ['nsenter', `--net=/proc/${gateway.pid}/ns/net`];
  return {
    guests,
    taps: { web: tapOf('web'), app: tapOf('app'), db: tapOf('db') },
    runDirectory,
    namespacePid: gateway.pid,
    gateway,
    inside: (argv) => [...enter, ...argv],
    openDoor: async (port) => openDoor(gateway, runDirectory, port),
    startLoad: async () => gateway.ask('load', { running: true }),
    stopLoad: async () => gateway.ask('load', { running: false }),
    counts: async () => gateway.ask('counts', {}),
    visit: async (path, body) =>
      gateway.ask('http', {
        url: `http://${labNetwork.machines.web}${path}`,
        timeoutMs: 8000,
        ...(body === undefined ? {} : { body }),
      }),
    update: async (version) => offerUpdate(gateway, version),
    maintain: async (tier, task) => offerMaintenance(gateway, tier, task),
    restore: async (tier) => guests[tier].restore(cleanSnapshot),
    async stop() {
      await gateway.ask('load', { running: false });
      await Promise.all(tiers.map(async (tier) => guests[tier].stop()));
      await gateway.stop();
    },
  };
}
