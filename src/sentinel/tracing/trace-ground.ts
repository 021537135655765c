// Makes a QEMU guest ready to be traced by another process, which has no monitor of its own: frees it from what a dead tracer may
// have left, opens its gdb stub, and closes that again. What belongs to another who lives is not touched.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectories } from '../make-directories.ts';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { GuestHandle } from '../../introspection/hypervisor/guest-handle.ts';
import {
  closeStub,
  findStub,
  openStub,
  type Reach,
  sameRoot,
  stubPathOf,
  throughRootOf,
} from '../../introspection/trace/gdb-stub.ts';
import { type LeaveWatch, watchForLeaving } from '../../introspection/trace/leave-notice.ts';
import { prepareTarget, type TraceTarget } from '../../introspection/trace/trace-target.ts';
import { recoverStub } from '../../introspection/trace/watchdog/recover-stub.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { isPlumblineStub, ownStub, stubNameOf, takeLeftStub } from './stub-owner.ts';
import type { TraceGround } from './vm-trace.ts';

export interface TracePlaces {
  /** Kernel profiles; null = learn the kernel anew. */
  readonly profiles: string | null;
  /** Sockets of gdb stubs, for guests without a directory of their own: whoever can connect to one holds the guest. */
  readonly stubs: string;
}

export async function traceGround(
  handle: GuestHandle,
  monitor: Monitor,
  places: TracePlaces,
): Promise<Result<TraceGround>> {
  const place = placeOf(handle, places.stubs);
  if (!place.ok) return place;
  // Before anything is asked of QEMU: of two that come at once, one goes on.
  const owned = await ownStub(place.value.reach(place.value.path));
  if (!owned.ok) return owned;
  const ground = await openGround(handle, monitor, places, place.value);
  if (!ground.ok) {
    owned.value.release();
    return ground;
  }
  const { target, leaving } = ground.value;
  const leaveAndRelease = async (inOrder: boolean): Promise<void> => {
    leaving.close();
    await (inOrder ? closeOwn(monitor, place.value) : leave(monitor, place.value));
    owned.value.release();
  };
  return ok({ target, mustLeave: leaving.notice, leave: leaveAndRelease });
}

interface OpenGround {
  readonly target: TraceTarget;
  readonly leaving: LeaveWatch;
}

async function openGround(
  handle: GuestHandle,
  monitor: Monitor,
  { profiles: profileDirectory }: TracePlaces,
  place: StubPlace,
): Promise<Result<OpenGround>> {
  // First: a guest that is being migrated is not connected to, also not to free it.
  const leaving = await watchForLeaving(monitor);
  if (!leaving.ok) return leaving;
  const target = await openTarget(handle, monitor, profileDirectory, place);
  if (target.ok) return ok({ target: target.value, leaving: leaving.value });
  leaving.value.close();
  return target;
}

async function openTarget(
  handle: GuestHandle,
  monitor: Monitor,
  profileDirectory: string | null,
  place: StubPlace,
): Promise<Result<TraceTarget>> {
  const { path, reach } = place;
  const freed = await freeStub(monitor, place);
  if (!freed.ok) return freed;
  const opened = await openStub(monitor, path, reach);
  if (!opened.ok) return opened;
  const target = await prepareTarget(handle, monitor, { profileDirectory, socketPath: reach(path) });
  if (!target.ok) await closeStub(monitor, path, reach);
  return target;
}

/** Takes away what a tracer of ours that died left in QEMU; a stub whose owner lives, or that somebody uses, stays and is a problem. */
async function freeStub(monitor: Monitor, { path, reach, pid }: StubPlace): Promise<Result<void>> {
  const recovered = await recoverStub(monitor, {
    isOurs: isPlumblineStub,
    take: async (stub) => (stub === path ? ok({ release: () => undefined }) : await takeLeftStub(stub, pid)),
    newSocketPath: path,
    reach,
  });
  return recovered.ok ? ok(undefined) : recovered;
}

/**
 * By then the tracer has detached, or its watchdog has let the guest run; what both left is taken away, with the stub. When that cannot
 * be, a client that QEMU still serves is the watchdog at work, or somebody else has opened a stub since: the next trace tries again.
 */
async function leave(monitor: Monitor, place: StubPlace): Promise<void> {
  const freed = await freeStub(monitor, place);
  if (freed.ok) rmSync(place.reach(place.path), { force: true });
}

/** The guest runs without points: to connect once more would stop it for nothing. Another's stub stays. */
async function closeOwn(monitor: Monitor, { path, reach }: StubPlace): Promise<void> {
  const stub = await findStub(monitor);
  if (stub.ok && stub.value !== null && stubPathOf(stub.value) === path) await closeStub(monitor, path, reach);
}

interface StubPlace {
  /** As QEMU names it. */
  readonly path: string;
  readonly reach: Reach;
  /** Of QEMU. */
  readonly pid: number;
}

/** QEMU makes the socket itself: where it runs as another user, or with another root, only a directory of its own will do. */
function placeOf({ pid, ownDirectory }: GuestHandle, stubs: string): Result<StubPlace> {
  const name = stubNameOf(pid);
  if (ownDirectory !== undefined) return ok({ path: join(ownDirectory, name), reach: throughRootOf(pid), pid });
  const made = makePrivate(stubs);
  return made.ok ? ok({ path: join(stubs, name), reach: sameRoot, pid }) : made;
}

function makePrivate(directory: string): Result<void> {
  try {
    makeDirectories(directory);
    return ok(undefined);
  } catch (thrown) {
    return fail(problem('failed', `No place for a trace could be made at ${directory}: ${causeOf(thrown)}.`));
  }
}
