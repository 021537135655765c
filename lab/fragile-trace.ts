// A guest that starts programs without end while a tracer stops it at each of them; what became of it is told by QEMU's events and
// by the work it gets done.
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { MonitorEvent } from '../src/protocols/qmp/monitor.ts';
import type { Guest } from './guest.ts';

/** What `fragile-tracer.ts` is told to do, or to suffer. */
export type TracerWord =
  | { readonly do: 'starve' | 'cut' | 'hang' | 'release' | 'paused' | 'detach' }
  | { readonly do: 'hold'; readonly forMs: number };

/** What it tells. */
export interface GuestStanding {
  readonly watching?: true;
  readonly watchdog?: number | undefined;
  readonly ranBefore?: boolean;
  readonly refused?: string;
  readonly closed?: true;
  readonly detached?: true;
  readonly paused?: true;
  readonly lost?: string | null;
}

export interface FragileTracer {
  readonly process: ChildProcess;
  readonly watchdog: number;
  readonly heard: readonly GuestStanding[];
  tell(word: TracerWord): void;
  /** The first thing told that has this field; throws after `withinMs`. */
  waitFor(field: keyof GuestStanding, withinMs?: number): Promise<GuestStanding>;
}

const gdbSocket = 'gdb.sock';
const startsMax = 5;

/** Where the gdb stub of a lab guest listens: beside its other sockets. */
export function gdbSocketOf(guest: Guest): string {
  return join(guest.qmpSocket, '..', gdbSocket);
}

export async function openStub(guest: Guest): Promise<void> {
  await guest.qmp().hmp(`gdbserver unix:${gdbSocketOf(guest)},server=on,wait=off`);
}

/** An address the guest's kernel reads at every start and end of a program, in hex. */
export async function watchedAddress(guest: Guest): Promise<string> {
  const { out } = await guest.run(
    "echo 0 > /proc/sys/kernel/kptr_restrict; grep ' proc_event_num_listeners$' /proc/kallsyms",
  );
  const address = out.split(' ')[0] ?? '';
  if (!/^[0-9a-f]{16}$/.test(address)) throw new Error(`no address in ${out}`);
  return address;
}

/** Starts programs until the guest ends or `endWork`, and counts them on the console: nobody needs to ask the guest. */
export async function startWork(guest: Guest): Promise<void> {
  await guest.run(
    'rm -f /tmp/rest; (i=0; while [ ! -e /tmp/rest ]; do /bin/busybox true; i=$((i+1)); echo "turn $i" > /dev/ttyS0; done) >/dev/null 2>&1 &',
  );
  if (!(await becomes(() => turnsOf(guest) > 3, 20_000))) throw new Error(`${guest.name} does not work`);
}

export async function endWork(guest: Guest): Promise<void> {
  await guest.run('touch /tmp/rest');
}

/** How many programs were started. */
export function turnsOf(guest: Guest): number {
  return readFileSync(guest.consoleLog, 'latin1').split('turn ').length - 1;
}

/** Starts a tracer on an open stub; ends when it traces or was refused (then `watchdog` is 0). */
export async function startTracer(guest: Guest, address: string, lateMs = 400): Promise<FragileTracer> {
  for (let tries = 0; ; tries += 1) {
    const tracer = await tryTracer(guest, address, lateMs);
    const begun = tracer.heard.some(({ watching, refused }) => watching === true || refused !== undefined);
    if (begun || tries === startsMax) return tracer;
    // On a busy machine it may be late before it has begun, and its watchdog has let the guest go.
    tracer.process.kill('SIGKILL');
  }
}

async function tryTracer(guest: Guest, address: string, lateMs: number): Promise<FragileTracer> {
  const args = [gdbSocketOf(guest), String(guest.pid()), address, String(lateMs)];
  const child = fork(join(import.meta.dirname, 'fragile-tracer.ts'), args, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  });
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.off('exit', end));
  const heard: GuestStanding[] = [];
  child.on('message', (standing: GuestStanding) => heard.push(standing));
  const waitFor = async (field: keyof GuestStanding, withinMs = 15_000): Promise<GuestStanding> => {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const found = heard.find((standing) => field in standing);
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(`no ${field} in ${JSON.stringify(heard)}`);
      await wait(5);
    }
  };
  await becomes(() => heard.some((one) => 'watching' in one || 'refused' in one || 'lost' in one), 30_000);
  const watchdog = heard.find((one) => 'watching' in one)?.watchdog ?? 0;
  // One that its watchdog found too late, on a busy machine, has ended by itself and needs no word.
  const tell = (word: TracerWord): void => {
    if (child.connected) child.send(word, () => undefined);
  };
  return { process: child, watchdog, heard, tell, waitFor };
}

/** Follows a guest's STOP and RESUME events; times are QEMU's own. */
export class Standstill {
  readonly stop: () => void;
  #stoppedAtMs: number | null = null;
  #longestMs = 0;
  #stops = 0;

  constructor(guest: Guest) {
    this.stop = guest.qmp().subscribe((event) => this.#take(event));
  }

  get stops(): number {
    return this.#stops;
  }

  /** The longest time it stood at a stretch since `begin`, the present stretch included. */
  longestMs(): number {
    return Math.max(this.#longestMs, this.#stoppedAtMs === null ? 0 : Date.now() - this.#stoppedAtMs);
  }

  begin(): void {
    this.#longestMs = 0;
    this.#stops = 0;
  }

  #take({ name, atMs }: MonitorEvent): void {
    if (name === 'STOP') {
      this.#stops += 1;
      this.#stoppedAtMs = atMs;
    } else if (name === 'RESUME' && this.#stoppedAtMs !== null) {
      this.#longestMs = Math.max(this.#longestMs, atMs - this.#stoppedAtMs);
      this.#stoppedAtMs = null;
    }
  }
}

/** As QEMU says it: `running`, `paused`, `debug` (at a stop point)... */
export async function statusOf(guest: Guest): Promise<string> {
  const status = await guest.qmp().execute('query-status');
  return status.ok ? String((status.value as { readonly status?: string }).status) : status.error.message;
}

export async function isRunning(guest: Guest): Promise<boolean> {
  return (await statusOf(guest)) === 'running';
}

/** As an administrator does. While the guest stands at a stop point QEMU does nothing and says it did: so until it is so. */
export async function pause(guest: Guest): Promise<void> {
  const paused = await becomes(async () => {
    await guest.qmp().execute('stop');
    return (await statusOf(guest)) === 'paused';
  }, 5_000);
  if (!paused) throw new Error(`${guest.name} could not be paused`);
}

/** A zombie is no process: whoever was its parent has yet to look. */
export function processLives(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** Asks again until it is so; false after `withinMs`. */
export async function becomes(holds: () => boolean | Promise<boolean>, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    if (await holds()) return true;
    if (performance.now() > deadline) return false;
    await wait(10);
  }
}
