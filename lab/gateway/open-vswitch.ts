// An Open vSwitch of the lab's own, in the gateway's network namespace: its database, its daemon, one bridge. Its datapath is
// the one in user space, since this machine's kernel has none. Everything ends with the gateway.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';

const schema = '/usr/share/openvswitch/vswitch.ovsschema';
const patienceMs = 10_000;

/** Where in a directory its database listens. */
export function ovsDatabaseIn(directory: string): string {
  return join(directory, 'db.sock');
}

/** Starts both daemons; throws when they do not come up. */
export async function startOpenVswitch(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const socket = ovsDatabaseIn(directory);
  const database = join(directory, 'conf.db');
  run('ovsdb-tool', 'create', database, schema);
  const control = (name: string): readonly string[] => [
    `--pidfile=${join(directory, `${name}.pid`)}`,
    `--unixctl=${join(directory, `${name}.ctl`)}`,
  ];
  daemon(directory, ['ovsdb-server', database, `--remote=punix:${socket}`, ...control('ovsdb-server')]);
  await appeared(socket);
  vsctl(directory, '--no-wait', 'init');
  daemon(directory, ['ovs-vswitchd', `unix:${socket}`, ...control('ovs-vswitchd')]);
  await appeared(join(directory, 'ovs-vswitchd.ctl'));
}

export function addOvsBridge(directory: string, bridge: string): void {
  const settings = ['datapath_type=netdev', 'fail-mode=standalone'];
  vsctl(directory, 'add-br', bridge, '--', 'set', 'bridge', bridge, ...settings);
  // This datapath carries packets as they are: one whose checksum a network card was to fill in would never be accepted.
  // Nor does it cut up large ones: what leaves the gateway is what the guests get, packet by packet.
  run('ethtool', '-K', bridge, 'tx', 'off', 'gso', 'off');
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

function daemon(directory: string, argv: readonly string[]): void {
  const words = openSync(join(directory, `${argv[0]}.log`), 'a');
  const environment = { ...process.env, OVS_RUNDIR: directory, OVS_LOGDIR: directory, OVS_DBDIR: directory };
  spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], { stdio: ['ignore', words, words], env: environment });
  closeSync(words);
}

async function appeared(path: string): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!existsSync(path)) {
    if (performance.now() > deadline) throw new Error(`${path} did not appear`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
