// The events all that decides is measured on: many virtual machines, each with its own behaviours, and now and then something that
// no machine does. Seeded. What every event makes up anew (time, pids, a caller's port) differs from line to line; the rest repeats.
import type { RawEvent } from '../src/model/raw-event.ts';
import { Random } from '../src/sim/random.ts';

export interface MixSize {
  readonly vms: number;
  readonly behavioursPerVm: number;
  readonly events: number;
  /** Share of events that are no behaviour of their machine. */
  readonly unknown: number;
}

export interface Mix {
  /** Every behaviour of every machine once, by machine: what its manifest is made of. */
  readonly behaviours: ReadonlyMap<string, readonly RawEvent[]>;
  readonly events: readonly RawEvent[];
  /** The events as a sensor writes them, one JSON object a line. */
  readonly ndjson: Buffer;
}

const users = ['root', 'www-data', 'shop', 'backup', 'metrics'] as const;
const scheduler = '/usr/lib/systemd/systemd';

export function mixOf(seed: number, { vms, behavioursPerVm, events: count, unknown }: MixSize): Mix {
  const random = new Random(seed);
  const machines = Array.from({ length: vms }, (_, vm) => `name:shop-eu-west-${String(vm).padStart(3, '0')}`);
  const behaviours = new Map(
    machines.map((host) => [
      host,
      Array.from({ length: behavioursPerVm }, (_, at) => behaviour(random, host, String(at))),
    ]),
  );
  const events: RawEvent[] = [];
  for (let at = 0; at < count; at += 1) {
    const host = machines[random.integer(0, vms - 1)] ?? '';
    const known = behaviours.get(host)?.[random.integer(0, behavioursPerVm - 1)];
    const shown = random.chance(unknown) || known === undefined ? behaviour(random, host, `x${at}`) : known;
    events.push(occurrence(random, shown, at));
  }
  return { behaviours, events, ndjson: Buffer.from(events.map((event) => `${lineOf(event)}\n`).join('')) };
}

/** Six of ten start a program, three call somebody, one listens. `name` makes it like no other of its machine. */
function behaviour(random: Random, host: string, name: string): RawEvent {
  const tool = random.pick(['worker', 'export', 'rotate', 'report', 'sync', 'index']);
  const exe = `/opt/shop/bin/${tool}-${name}a`;
  const parentExe = `/opt/shop/libexec/supervise-${random.integer(0, 9)}a`;
  const user = random.pick(users);
  const cmdline = `${tool}-${name}a --config /etc/shop/${tool}.d/${name}a.conf --queue orders.${tool} --retries=3 --log-level info`;
  const own = { host, exe, cmdline, user, uid: users.indexOf(user) };
  const kind = random.integer(0, 9);
  const base = { ts: '', pid: 0, ppid: 0, ...own };
  if (kind < 6) {
    const parentCmdline = `${parentExe} --scheduler ${scheduler}`;
    return { ...base, kind: 'process_start', parentExe, parentCmdline };
  }
  const socket = { ...base, parentExe, proto: 'tcp', localAddr: `10.20.${random.integer(0, 9)}.7` } as const;
  if (kind === 9) return { ...socket, kind: 'net_listen', localPort: random.integer(1024, 30_000) };
  const remoteAddr = `10.30.${random.integer(0, 255)}.${random.integer(1, 254)}`;
  return { ...socket, kind: 'net_connect', localPort: 0, remoteAddr, remotePort: random.integer(1, 30_000) };
}

function occurrence(random: Random, shown: RawEvent, at: number): RawEvent {
  const made = {
    ts: new Date(Date.UTC(2026, 10, 21) + at * 3).toISOString(),
    pid: random.integer(300, 4_000_000),
    ppid: random.integer(300, 4_000_000),
  };
  const port = shown.kind === 'net_connect' ? { localPort: random.integer(32_768, 60_999) } : {};
  return { ...shown, ...made, ...port };
}

/** With the fields that sensors add and nobody judges. */
function lineOf({ ts, host, kind, ...rest }: RawEvent): string {
  return JSON.stringify({ ts, host, os: 'linux', kind, ...rest, container: 'none', source: 'audit', arch: 'x86_64' });
}
