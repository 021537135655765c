// What a tracer and its watchdog leave behind when both are killed at once: stop points in QEMU at which the guest stands still,
// in the state `debug`, as soon as it comes by. Whoever next has the monitor of the guest asks for this first. What somebody who lives
// has opened is not left behind, whether he is connected just now or not: it is his.
import { setTimeout as wait } from 'node:timers/promises';
import { problem, type Problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';
import type { Monitor } from '../../../protocols/qmp/monitor.ts';
import { closeStub, findStub, openStub, type Reach, sameRoot, stubPathOf } from '../gdb-stub.ts';
import type { Freed } from './detach-conversation.ts';
import { letGo } from './let-go.ts';

export interface RecoverOptions {
  /** Is a stub that listens there one that a tracer of ours opened? */
  readonly isOurs: (socketPath: string) => boolean;
  /**
   * Takes the stub that listens there into our hands for as long as it is recovered; a problem when whoever opened it lives, or when
   * that cannot be known.
   */
  readonly take: (socketPath: string) => Promise<Result<{ release(): void }>>;
  /** Where a stub may listen for a moment when there is none any more. Absolute; nothing is there. */
  readonly newSocketPath: string;
  /** Default: QEMU's files are where ours are. */
  readonly reach?: Reach;
}

/** `clean` = there was nothing to do; otherwise the guest has no stop points any more, and this is how it was left. */
export type Recovery = 'clean' | Freed;

const patienceMs = 5_000;
const retryMs = 100;
/** A watchdog that lives is connected again long before. */
const watchdogMs = 3_000;

/**
 * Frees a guest from what a dead tracer left in it, and takes the stub away. A guest that somebody paused stays paused, one that
 * stands at a leftover point runs on. Problems: `refused` = whoever opened the stub lives, somebody is connected to it, or it was
 * never ours; `failed` = QEMU does not answer.
 */
export async function recoverStub(monitor: Monitor, options: RecoverOptions): Promise<Result<Recovery>> {
  const found = await findStub(monitor);
  if (!found.ok) return found;
  const path = found.value === null ? null : stubPathOf(found.value);
  // Who has nothing to recover has no business with a stub that comes up meanwhile.
  if (found.value === null) return recoverTaken(monitor, { ...options, isOurs: () => false });
  if (path === null || !options.isOurs(path)) return fail(notOurs(found.value));
  const taken = await options.take(path);
  if (!taken.ok) return taken;
  const recovered = await recoverTaken(monitor, { ...options, isOurs: (stub) => stub === path });
  taken.value.release();
  return recovered;
}

async function recoverTaken(monitor: Monitor, options: RecoverOptions): Promise<Result<Recovery>> {
  const found = await lookTwiceWhenPaused(monitor, options);
  if (!found.ok) return found;
  const { stub, status } = found.value;
  if (stub === null) return status === 'debug' ? recoverWithoutStub(monitor, options) : ok('clean');
  const { reach = sameRoot } = options;
  const freed = await letGo(reach(stub), {
    staysPaused: status === 'paused',
    patienceMs,
    qemuLives: () => true,
  });
  if (freed.ok) return takeAway(monitor, stub, reach, freed.value);
  const still = freed.error.kind === 'not-found' ? await findIdleStub(monitor, options) : freed;
  if (!still.ok) return freed;
  // Its socket was removed, and nobody can connect to it any more: another stub leads to the same points.
  const closed = await closeStub(monitor, stub, reach);
  return closed.ok ? recoverWithoutStub(monitor, options) : closed;
}

interface Left {
  readonly stub: string | null;
  readonly status: string;
}

/**
 * A tracer that has just gone may have paused the guest itself, and its watchdog be between cutting it off and letting the guest
 * run, which QEMU shows as a pause with nobody connected: only one that lasts is somebody else's.
 */
async function lookTwiceWhenPaused(monitor: Monitor, options: RecoverOptions): Promise<Result<Left>> {
  for (const deadline = performance.now() + watchdogMs; ; await wait(retryMs)) {
    const stub = await findIdleStub(monitor, options);
    if (!stub.ok) return stub;
    const status = await readStatus(monitor);
    if (!status.ok) return status;
    const left = { stub: stub.value, status: status.value };
    if (left.stub === null || left.status !== 'paused' || performance.now() > deadline) return ok(left);
  }
}

/** The socket of a stub of ours that nobody is connected to; null = there is no stub. A watchdog may just be busy at it. */
async function findIdleStub(monitor: Monitor, { isOurs }: RecoverOptions): Promise<Result<string | null>> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const found = await findStub(monitor);
    if (!found.ok || found.value === null) return found;
    const path = stubPathOf(found.value);
    const ours = path !== null && isOurs(path);
    // As QEMU says it while nobody is connected.
    if (ours && found.value.startsWith('disconnected:')) return ok(path);
    if (!ours || performance.now() > deadline) return fail(notOurs(found.value));
    await wait(retryMs);
  }
}

function notOurs(stub: string): Problem {
  const message = `The gdb stub of this VM is in use or somebody else's (${stub}).`;
  return problem('refused', message, 'End the debugging, or start QEMU without -gdb and -s.');
}

/** `gdbserver none` removed the stub and left the points. */
async function recoverWithoutStub(monitor: Monitor, options: RecoverOptions): Promise<Result<Recovery>> {
  const { newSocketPath: socketPath, reach = sameRoot } = options;
  const opened = await openStub(monitor, socketPath, reach);
  if (!opened.ok) return opened;
  const freed = await letGo(reach(socketPath), { staysPaused: false, patienceMs, qemuLives: () => true });
  return freed.ok ? takeAway(monitor, socketPath, reach, freed.value) : freed;
}

async function takeAway(
  monitor: Monitor,
  socketPath: string,
  reach: Reach,
  left: Freed | 'qemu-gone',
): Promise<Result<Recovery>> {
  const closed = await closeStub(monitor, socketPath, reach);
  if (!closed.ok) return closed;
  return ok(left === 'qemu-gone' ? 'clean' : left);
}

async function readStatus(monitor: Monitor): Promise<Result<string>> {
  const status = await monitor.execute('query-status');
  if (!status.ok) return status;
  return ok(isObject(status.value) && typeof status.value['status'] === 'string' ? status.value['status'] : '');
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
