// A hypervisor host of simulated guests: what a sentinel finds, connects to, attaches to and acts on.
import type { Clock } from '../kit/clock.ts';
import { problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type { Enforcer } from '../connectors/enforcement/enforcer.ts';
import { qemuEnforcer } from '../connectors/enforcement/qemu/qemu-enforcer.ts';
import type { Activity, GuestIdentity, Liveness, SweepResult } from '../introspection/guest/guest-view.ts';
import type { GuestHandle } from '../introspection/hypervisor/guest-handle.ts';
import { type LeaveNotice, watchForLeaving } from '../introspection/trace/leave-notice.ts';
import type { Monitor } from '../protocols/qmp/monitor.ts';
import { SimulatedGuest, SimulatedMonitor } from './simulated-guest.ts';

export class SimulatedHost {
  readonly guests: SimulatedGuest[] = [];
  readonly #clock: Clock;
  readonly #sleep: (ms: number) => Promise<void>;
  #nextPid = 1000;

  constructor(clock: Clock, sleep: (ms: number) => Promise<void>) {
    this.#clock = clock;
    this.#sleep = sleep;
  }

  add(name: string, uuid: string | null): SimulatedGuest {
    const guest = new SimulatedGuest(name, uuid, this.#nextPid, () => this.#clock.now());
    this.#nextPid += 1;
    this.guests.push(guest);
    return guest;
  }

  find(): Result<readonly GuestHandle[]> {
    return ok(this.guests.filter((guest) => guest.alive).map(handleOf));
  }

  alive(handle: GuestHandle): boolean {
    return this.#guest(handle)?.alive === true;
  }

  connect(handle: GuestHandle): Promise<Result<Monitor>> {
    const guest = this.#guest(handle);
    const gone = fail(problem('not-found', `${handle.name} does not run.`));
    return Promise.resolve(guest?.alive === true ? ok(new SimulatedMonitor(guest)) : gone);
  }

  attach(handle: GuestHandle): Promise<Result<SimulatedSession>> {
    const guest = this.#guest(handle);
    if (guest === undefined) return Promise.resolve(fail(problem('not-found', `${handle.name} does not run.`)));
    if (guest.unreadable !== null) return Promise.resolve(fail(problem('unreadable', guest.unreadable)));
    return Promise.resolve(ok(new SimulatedSession(guest)));
  }

  integrityTarget(): Promise<Result<never>> {
    return Promise.resolve(fail(problem('refused', 'A simulated guest has no memory.')));
  }

  async traceGround(
    _: GuestHandle,
    monitor: Monitor,
  ): Promise<Result<{ target: unknown; mustLeave: Promise<LeaveNotice>; leave(): Promise<void> }>> {
    const leaving = await watchForLeaving(monitor);
    if (!leaving.ok) return leaving;
    const { value } = leaving;
    return ok({ target: null, mustLeave: value.notice, leave: () => Promise.resolve(value.close()) });
  }

  enforcer(handle: GuestHandle, monitor: Monitor): Enforcer {
    const patience = { clock: this.#clock, sleep: this.#sleep };
    return qemuEnforcer({ monitor, alive: () => this.alive(handle), patience, pid: handle.pid });
  }

  #guest(handle: GuestHandle): SimulatedGuest | undefined {
    return this.guests.find((guest) => guest.pid === handle.pid);
  }
}

export class SimulatedSession {
  readonly identity: GuestIdentity;
  readonly #guest: SimulatedGuest;
  readonly #epoch: number;

  constructor(guest: SimulatedGuest) {
    this.#guest = guest;
    this.#epoch = guest.epoch;
    this.identity = {
      banner: 'Linux version 6.1.0-sim (sim@sim)',
      buildId: '00',
      hostname: guest.name,
      bootedMs: guest.bootedMs,
      bootedBy: 'guest-clock',
      cpus: 1,
    };
  }

  activity(): Activity {
    return this.#guest.activity();
  }

  sweep(): Result<SweepResult> {
    if (this.#guest.epoch !== this.#epoch) return fail(problem('failed', 'Another system runs there.'));
    return ok(this.#guest.sweep());
  }

  check(): Promise<Liveness> {
    const changed = { state: 'changed', why: 'another system runs there' } as const;
    return Promise.resolve(this.#guest.epoch === this.#epoch ? { state: 'same' } : changed);
  }

  forwards(): boolean | null {
    return null;
  }

  hash(): Promise<Result<never>> {
    return Promise.resolve(fail(problem('refused', 'A simulated guest has no memory.')));
  }

  close(): void {
    // Nothing is held.
  }
}

function handleOf(guest: SimulatedGuest): GuestHandle {
  return {
    name: guest.name,
    uuid: guest.uuid,
    pid: guest.pid,
    startTicks: guest.startTicks,
    accelerator: 'tcg',
    memoryMiB: 128,
    confidential: null,
    monitor: { kind: 'qmp', path: `/nowhere/${guest.pid}`, others: [] },
  };
}
