// An Open vSwitch of the lab's own, in the gateway's network namespace: its database, its daemon, one bridge. Its datapath is
// the one in user space, since this machine's kernel has none. Everything ends with the gateway.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';

const schema = '/usr/share/openvswitch/vswitch.ovsschema';
const patienceMs = 30_000;

/** Where in a directory its database listens. */
export function ovsDatabaseIn(directory: string): string {
  return join(directory, 'db.sock');
}

/** Starts both daemons; throws when they do not come up. `inside`: put before a command that is to run in another network namespace. */
export async function startOpenVswitch(directory: string, inside: readonly string[] = []): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const socket = ovsDatabaseIn(directory);
  const database = join(directory, 'conf.db');
  run('ovsdb-tool', 'create', database, schema);
  daemon(directory, ['ovsdb-server', database, `--remote=punix:${socket}`, '--pidfile']);
  await appeared(socket);
  vsctl(directory, '--no-wait', 'init');
  await startSwitchDaemon(directory, inside);
}

/** The daemon that forwards, by itself: so that it can be killed and started again. */
export async function startSwitchDaemon(directory: string, inside: readonly string[] = []): Promise<ChildProcess> {
  const child = daemon(directory, [...inside, 'ovs-vswitchd', `unix:${ovsDatabaseIn(directory)}`, '--pidfile']);
  await appeared(join(directory, `ovs-vswitchd.${child.pid}.ctl`));
  return child;
}

export function addOvsBridge(directory: string, bridge: string, inside: readonly string[] = []): void {
  const settings = ['datapath_type=netdev', 'fail-mode=standalone'];
  vsctl(directory, 'add-br', bridge, '--', 'set', 'bridge', bridge, ...settings);
  // This datapath carries packets as they are: one whose checksum a network card was to fill in would never be accepted.
  // Nor does it cut up large ones: what leaves the gateway is what the guests get, packet by packet.
  const [program, ...args] = [...inside, 'ethtool', '-K', bridge, 'tx', 'off', 'gso', 'off'];
  run(program, ...args);
}

export function addOvsPort(directory: string, bridge: string, port: string): void {
  vsctl(directory, 'add-port', bridge, port);
}

function vsctl(directory: string, ...args: readonly string[]): void {
  run('ovs-vsctl', `--db=unix:${ovsDatabaseIn(directory)}`, '--timeout=10', ...args);
}

function run(program: string, ...args: readonly string[]): void {
  const done = spawnSync(program, args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.stderr?.trim() || String(done.error)}`);
}

function daemon(directory: string, argv: readonly string[]): ChildProcess {
  const words = openSync(join(directory, 'daemons.log'), 'a');
  const environment = { ...process.env, OVS_RUNDIR: directory, OVS_LOGDIR: directory, OVS_DBDIR: directory };
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], {
    stdio: ['ignore', words, words],
    env: environment,
  });
  closeSync(words);
  return child;
}

async function appeared(path: string): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!existsSync(path)) {
    if (performance.now() > deadline) throw new Error(`${path} did not appear`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
