// A segment of a network with no guests on it: a switch, and around it network namespaces that stand for a VM, its peer and its
// management, each with one device. Frames are made by hand and counted by the kernel where they arrive. Needs root.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sayProblem } from '../src/kit/problem.ts';
import { runCommand } from './commands.ts';
import {
  addOvsBridge,
  addOvsPort,
  ovsDatabaseIn,
  startOpenVswitch,
  startSwitchDaemon,
} from './gateway/open-vswitch.ts';
import { guestProgram } from './guest-programs.ts';
import { makeRunDirectory } from './run-directory.ts';

export type SwitchKind = 'bridge' | 'ovs';
export const machines = ['vm', 'peer', 'management'] as const;
export type Machine = (typeof machines)[number];

export interface Place {
  readonly mac: string;
  readonly address: string;
  readonly address6: string;
  /** Its device at the switch; inside its namespace it is `eth0`. */
  readonly port: string;
}

export const places: Readonly<Record<Machine, Place>> = {
  vm: { mac: '52:54:00:88:00:01', address: '10.88.0.1', address6: 'fd88::1', port: 'segvm' },
  peer: { mac: '52:54:00:88:00:02', address: '10.88.0.2', address6: 'fd88::2', port: 'segpeer' },
  management: { mac: '52:54:00:88:00:03', address: '10.88.0.3', address6: 'fd88::3', port: 'segmgmt' },
};
export const bridgeName = 'seg0';
/** A second bridge, joined to the first by one wire: where an inspection point would stand. `wire` is its end there. */
export const inspection = { bridge: 'seginsp', wire: 'segwire1', far: 'segwire0' } as const;

export interface SwitchedSegment {
  readonly kind: SwitchKind;
  /** A process in the switch's network namespace. */
  readonly pid: number;
  readonly ovsDatabase: string | null;
  /** Sends a frame so many times from a machine; from the switch itself when null. */
  send(from: Machine, frame: string, count: number): Promise<void>;
  /** Frames that have arrived at each machine since it was plugged in, and on the wire to the inspection bridge. */
  arrived(): Promise<Readonly<Record<Machine | 'wire', number>>>;
  /** A command in the switch's namespace. Throws when it fails. */
  run(...argv: readonly string[]): Promise<string>;
  /** The VM's device goes and comes back under the same name, as when a VM is restarted. */
  replug(mac?: string): Promise<void>;
  /** A device that is up on the inspection bridge beside the wire, as if there were a second way; nothing is at its other end. */
  addSecondWire(): Promise<void>;
  /** The switch's daemon is killed, if it runs, and started again; only Open vSwitch has one. */
  restartDaemon(): Promise<void>;
  stop(): Promise<void>;
}

export async function openSwitchedSegment(kind: SwitchKind): Promise<SwitchedSegment> {
  const frames = await guestProgram('frames');
  if (!frames.ok) throw new Error(sayProblem(frames.error));
  const segment = new Segment(kind, frames.value, join(await makeRunDirectory('segment'), 'ovs'));
  await segment.raise();
  return segment;
}

class Segment implements SwitchedSegment {
  readonly kind: SwitchKind;
  readonly #program: string;
  readonly #directory: string;
  readonly #holders = new Map<Machine | 'switch', ChildProcess>();

  constructor(kind: SwitchKind, program: string, directory: string) {
    this.kind = kind;
    this.#program = program;
    this.#directory = directory;
  }

  get pid(): number {
    return this.#pidOf('switch');
  }

  get ovsDatabase(): string | null {
    return this.kind === 'ovs' ? ovsDatabaseIn(this.#directory) : null;
  }

  async raise(): Promise<void> {
    for (const name of ['switch', ...machines] as const) this.#holders.set(name, await holdNamespace());
    const inside = inNamespace(this.pid);
    if (this.kind === 'ovs') await startOpenVswitch(this.#directory, inside);
    for (const bridge of [bridgeName, inspection.bridge]) {
      if (this.kind === 'ovs') addOvsBridge(this.#directory, bridge, inside);
      else await this.run('ip', 'link', 'add', bridge, 'type', 'bridge', 'mcast_snooping', '0');
      await this.run('ip', 'link', 'set', bridge, 'up');
    }
    await this.run('ip', 'link', 'add', inspection.far, 'type', 'veth', 'peer', 'name', inspection.wire);
    await this.#plug(inspection.far, bridgeName);
    await this.#plug(inspection.wire, inspection.bridge);
    for (const machine of machines) await this.#join(machine, places[machine].mac);
    // A bridge's ports forward some moments after they were plugged in.
    for (const machine of machines) await this.#introduce(machine);
  }

  async send(from: Machine, frame: string, count: number): Promise<void> {
    const said = await this.#in(this.#pidOf(from), this.#program, 'eth0', String(count), frame);
    if (Number(said) !== count) throw new Error(`${from} sent ${said.trim()} of ${count} frames`);
  }

  async arrived(): Promise<Readonly<Record<Machine | 'wire', number>>> {
    const [vm, peer, management, wire] = await Promise.all([
      ...machines.map((machine) => this.#counted(this.#pidOf(machine), 'eth0')),
      this.#counted(this.pid, inspection.wire),
    ]);
    return { vm, peer, management, wire } as Readonly<Record<Machine | 'wire', number>>;
  }

  run(...argv: readonly string[]): Promise<string> {
    return this.#in(this.pid, ...argv);
  }

  async replug(mac = places.vm.mac): Promise<void> {
    const { port } = places.vm;
    if (this.kind === 'ovs') await this.#vsctl('del-port', bridgeName, port);
    await this.run('ip', 'link', 'delete', port);
    await this.#join('vm', mac);
  }

  async addSecondWire(): Promise<void> {
    await this.run('ip', 'link', 'add', 'segsecond', 'type', 'veth', 'peer', 'name', 'segnowhere');
    await this.#plug('segsecond', inspection.bridge);
  }

  async restartDaemon(): Promise<void> {
    const pid = Number(await this.run('cat', join(this.#directory, 'ovs-vswitchd.pid')));
    if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
    // Until it is reaped, a thread of it may still hold the lock of its pid file.
    while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 5));
    await startSwitchDaemon(this.#directory, inNamespace(this.pid));
  }

  async stop(): Promise<void> {
    for (const holder of this.#holders.values()) {
      if (holder.exitCode !== null || holder.signalCode !== null) continue;
      const ended = once(holder, 'exit');
      holder.kill('SIGKILL');
      await ended;
    }
    if (this.kind === 'ovs')
      for (const name of ['ovs-vswitchd', 'ovsdb-server']) {
        const pid = await runCommand(['cat', join(this.#directory, `${name}.pid`)]);
        if (pid.ok && (await isRunning(Number(pid.value)))) process.kill(Number(pid.value), 'SIGKILL');
      }
  }

  async #join(machine: Machine, mac: string): Promise<void> {
    const { port } = places[machine];
    const pid = this.#pidOf(machine);
    const far = ['name', 'eth0', 'address', mac, 'netns', String(pid)];
    await this.run('ip', 'link', 'add', port, 'type', 'veth', 'peer', ...far);
    await this.#in(pid, 'ip', 'link', 'set', 'eth0', 'up');
    await this.#plug(port, bridgeName);
  }

  async #plug(port: string, bridge: string): Promise<void> {
    if (this.kind === 'bridge') {
      await this.run('ip', 'link', 'set', port, 'master', bridge, 'up');
      return;
    }
    await this.run('ip', 'link', 'set', port, 'up');
    addOvsPort(this.#directory, bridge, port);
  }

  /** The switch learns where it is, and it is known to forward. */
  async #introduce(machine: Machine): Promise<void> {
    const other = machine === 'peer' ? 'vm' : 'peer';
    const hex = (mac: string): string => mac.replaceAll(':', '');
    const frame = `${hex(places[other].mac)}${hex(places[machine].mac)}88b6`.padEnd(120, '0');
    const before = (await this.arrived())[other];
    for (let tries = 0; tries < 200; tries += 1) {
      await this.send(machine, frame, 1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      if ((await this.arrived())[other] > before) return;
    }
    throw new Error(`nothing from ${machine} arrives at ${other}`);
  }

  /** The kernel's own count of the device, which nobody's rules can touch. */
  /** Frames received, in the network namespace of that process (proc(5), `/proc/PID/net/dev`). */
  async #counted(pid: number, device: string): Promise<number> {
    const rows = (await readFile(`/proc/${pid}/net/dev`, 'utf8')).split('\n').map((row) => row.trim().split(/[:\s]+/));
    const packets = rows.find(([name]) => name === device)?.[2];
    if (packets === undefined) throw new Error(`there is no ${device} to count at`);
    return Number(packets);
  }

  async #vsctl(...args: readonly string[]): Promise<void> {
    must(await runCommand(['ovs-vsctl', `--db=unix:${ovsDatabaseIn(this.#directory)}`, '--timeout=10', ...args]));
  }

  async #in(pid: number, ...argv: readonly string[]): Promise<string> {
    return must(await runCommand([...inNamespace(pid), ...argv]));
  }

  #pidOf(name: Machine | 'switch'): number {
    const pid = this.#holders.get(name)?.pid;
    if (pid === undefined) throw new Error(`${name} has no namespace`);
    return pid;
  }
}

function inNamespace(pid: number): readonly string[] {
  return ['nsenter', `--net=/proc/${pid}/ns/net`];
}

/** A process that does nothing but keep a namespace, with nothing in it that speaks by itself. */
async function holdNamespace(): Promise<ChildProcess> {
  const quiet =
    'for all in all default; do echo 1 >/proc/sys/net/ipv6/conf/$all/disable_ipv6; done; echo ready; exec sleep infinity';
  const argv = ['--pdeathsig', 'KILL', 'unshare', '--net', 'sh', '-c', quiet];
  const child = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

async function isRunning(pid: number): Promise<boolean> {
  const stat = await runCommand(['cat', `/proc/${pid}/stat`]);
  return stat.ok && !/\) [ZX] /.test(stat.value);
}

function must(result: Awaited<ReturnType<typeof runCommand>>): string {
  if (!result.ok) throw new Error(sayProblem(result.error));
  return result.value;
}
