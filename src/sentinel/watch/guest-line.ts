// The line to one running guest: its monitor, and the session that looks into it. Brings both up, notices when the guest is
// paused or another system runs there, and says in words why it cannot be seen.
import type { Clock } from '../../kit/clock.ts';
import { asObject } from '../../kit/json-object.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { Enforcer } from '../../connectors/enforcement/enforcer.ts';
import type { GuestIdentity } from '../../introspection/guest/guest-view.ts';
import type { GuestHandle } from '../../introspection/hypervisor/guest-handle.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import type { GuestSession, GuestSource } from './guest-source.ts';

const aliveForMs = 1000;
/** Reason of the RESET that QEMU tells of when a snapshot is loaded (qapi/run-state.json, ShutdownCause). */
const snapshotLoad = 'snapshot-load';

export class GuestLine {
  readonly #handle: GuestHandle;
  readonly #source: GuestSource;
  readonly #clock: Clock;
  readonly #onEvent: () => void;
  #monitor: Monitor | null = null;
  #session: GuestSession | null = null;
  #paused = false;
  #suspect = false;
  #why: string | null = null;
  #attachMs: number | null = null;
  #aliveAtMs = Number.NEGATIVE_INFINITY;
  #identity: GuestIdentity | null = null;
  #resting = false;
  #traced = false;
  #rebooted = false;
  #closed = false;
  #bringing: Promise<GuestSession | null> | null = null;

  /** `onEvent` is called when the hypervisor says that something happened to the guest. */
  constructor(handle: GuestHandle, source: GuestSource, clock: Clock, onEvent: () => void) {
    this.#handle = handle;
    this.#source = source;
    this.#clock = clock;
    this.#onEvent = onEvent;
  }

  get session(): GuestSession | null {
    return this.#session;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** The monitor was given back after a look that succeeded: QEMU serves one client, and nobody asked to watch this guest. */
  get resting(): boolean {
    return this.#resting;
  }

  /** Of the system last attached to; null while the guest cannot be seen. */
  get identity(): GuestIdentity | null {
    return this.#identity;
  }

  /** Why the guest cannot be seen; null while it can. */
  get why(): string | null {
    return this.#why;
  }

  get monitor(): Monitor | null {
    return this.#monitor;
  }

  /** A tracer stops the guest for moments, thousands of times a second: that is no pause, and nobody needs to hear of it. */
  set traced(traced: boolean) {
    this.#traced = traced;
  }

  get attachMs(): number | null {
    return this.#attachMs;
  }

  /** The guest was reset, or a look failed: whether it is still the same one has to be asked. */
  get suspect(): boolean {
    return this.#suspect;
  }

  enforcer(): Enforcer | null {
    return this.#monitor === null ? null : this.#source.enforcer(this.#handle, this.#monitor);
  }

  /** Asked every few milliseconds; while the monitor stands, the process is looked up once a second only. */
  alive(): boolean {
    const nowMs = this.#clock.monotonic();
    if (this.#monitor !== null && nowMs - this.#aliveAtMs < aliveForMs) return true;
    const alive = this.#source.alive(this.#handle);
    if (alive) this.#aliveAtMs = nowMs;
    return alive;
  }

  /** Whether the hypervisor told of a reboot since this was last asked. */
  takeRebooted(): boolean {
    const rebooted = this.#rebooted;
    this.#rebooted = false;
    return rebooted;
  }

  distrust(): void {
    this.#suspect = true;
  }

  /** The session, newly attached when there was none; null when that cannot be done now, for the reason in `why`, and once it was closed. */
  async bring(): Promise<GuestSession | null> {
    if (this.#closed) return null;
    this.#bringing ??= this.#bring().finally(() => (this.#bringing = null));
    return this.#bringing;
  }

  async #bring(): Promise<GuestSession | null> {
    this.#resting = false;
    const monitor = await this.#connected();
    if (monitor === null) return null;
    if (this.#session !== null) return this.#session;
    const beganMs = this.#clock.monotonic();
    const attached = await this.#source.attach(this.#handle, monitor);
    if (this.#closed) {
      if (attached.ok) attached.value.close();
      return null;
    }
    if (!attached.ok) {
      this.#why = sayProblem(attached.error);
      await this.#askWhetherPaused();
      return null;
    }
    this.#attachMs = this.#clock.monotonic() - beganMs;
    this.#session = attached.value;
    this.#identity = attached.value.identity;
    this.#suspect = false;
    this.#why = null;
    return this.#session;
  }

  /** Whether the session still looks at the system it was attached to; it is dropped when it does not. */
  async verify(): Promise<'same' | 'changed' | 'unknown'> {
    this.#suspect = false;
    await this.#askWhetherPaused();
    const liveness = (await this.#session?.check()) ?? { state: 'unknown', why: 'not attached' };
    if (liveness.state === 'same' || liveness.state === 'unknown') return liveness.state;
    this.drop(liveness.why);
    return 'changed';
  }

  drop(why: string): void {
    this.#session?.close();
    this.#session = null;
    this.#identity = null;
    this.#why = why;
  }

  /** Gives the monitor back until `bring` is called again; what was seen last stays said. */
  rest(): void {
    const monitor = this.#monitor;
    this.#monitor = null;
    this.#session?.close();
    this.#session = null;
    this.#resting = true;
    monitor?.close();
  }

  /** Closes the monitor alone, so that others can have it until the next try. */
  letGo(): void {
    const monitor = this.#monitor;
    this.#monitor = null;
    monitor?.close();
  }

  close(): void {
    this.#closed = true;
    this.drop('closed');
    this.#monitor?.close();
    this.#monitor = null;
  }

  async #connected(): Promise<Monitor | null> {
    if (this.#monitor !== null) return this.#monitor;
    const opened = await this.#source.connect(this.#handle);
    if (!opened.ok) {
      this.#why = sayProblem(opened.error);
      return null;
    }
    const monitor = opened.value;
    // The next QEMU of the same VM listens at the same place, and would serve nobody else for as long as we stayed.
    if (this.#closed || !this.#source.alive(this.#handle)) {
      monitor.close();
      this.#why = 'its QEMU process has ended';
      return null;
    }
    this.#monitor = monitor;
    monitor.subscribe(({ name, data }) => {
      if (this.#traced && (name === 'STOP' || name === 'RESUME')) return;
      if (name === 'STOP') this.#paused = true;
      else if (name === 'RESUME') this.#paused = false;
      else if (name === 'RESET') {
        this.#suspect = true;
        this.#rebooted = asObject(data)?.['reason'] !== snapshotLoad;
      } else return;
      this.#onEvent();
    });
    void monitor.closed.then((reason) => this.#lostMonitor(monitor, reason === null ? 'closed' : sayProblem(reason)));
    await this.#askWhetherPaused();
    return this.#monitor;
  }

  #lostMonitor(monitor: Monitor, why: string): void {
    if (this.#monitor !== monitor) return;
    this.#monitor = null;
    this.drop(why);
    this.#onEvent();
  }

  async #askWhetherPaused(): Promise<void> {
    const status = await this.#monitor?.execute('query-status');
    if (status?.ok !== true) return;
    const { running, status: word } = asObject(status.value) ?? {};
    // QEMU's word for a guest that its debugger has stopped (qapi/run-state.json, RunState).
    this.#paused = running !== true && !(this.#traced && word === 'debug');
  }
}
