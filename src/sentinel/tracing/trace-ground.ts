// Makes a QEMU guest ready to be traced by another process, which has no monitor of its own: frees it from what a dead tracer may
// have left, opens its gdb stub, and closes that again.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { GuestHandle } from '../../introspection/hypervisor/guest-handle.ts';
import { closeStub, openStub, type Reach, sameRoot, throughRootOf } from '../../introspection/trace/gdb-stub.ts';
import { prepareTarget } from '../../introspection/trace/trace-target.ts';
import { recoverStub } from '../../introspection/trace/watchdog/recover-stub.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import type { TraceGround } from './vm-trace.ts';

export interface TracePlaces {
  /** Kernel profiles; null = learn the kernel anew. */
  readonly profiles: string | null;
  /** Sockets of gdb stubs, for guests without a directory of their own: whoever can connect to one holds the guest. */
  readonly stubs: string;
}

/** Told from those of other debuggers, also by a sentinel that was started after the one which made it has died. */
const socketName = /\/plumbline-\d+\.gdb$/;

export async function traceGround(
  handle: GuestHandle,
  monitor: Monitor,
  places: TracePlaces,
): Promise<Result<TraceGround>> {
  const place = placeOf(handle, places.stubs);
  if (!place.ok) return place;
  const { path, reach } = place.value;
  const freed = await freeStub(monitor, place.value);
  if (!freed.ok) return freed;
  const opened = await openStub(monitor, path, reach);
  if (!opened.ok) return opened;
  const socketPath = reach(path);
  const target = await prepareTarget(handle, monitor, { profileDirectory: places.profiles, socketPath });
  if (target.ok) return ok({ target: target.value, leave: () => leave(monitor, place.value) });
  await closeStub(monitor, path, reach);
  return target;
}

/** Takes away what a tracer of ours that died left in QEMU; a stub that somebody uses stays, and is a problem. */
async function freeStub(monitor: Monitor, { path, reach }: StubPlace): Promise<Result<void>> {
  const isOurs = (socketPath: string): boolean => socketName.test(socketPath);
  const recovered = await recoverStub(monitor, { isOurs, newSocketPath: path, reach });
  return recovered.ok ? ok(undefined) : recovered;
}

/** By then the tracer has detached, or its watchdog has let the guest run; what both left is taken away. */
async function leave(monitor: Monitor, place: StubPlace): Promise<void> {
  const freed = await freeStub(monitor, place);
  // A client that QEMU still serves is the watchdog at work; the next trace, or the next sentinel, tries again.
  if (!freed.ok) return;
  await closeStub(monitor, place.path, place.reach);
}

interface StubPlace {
  /** As QEMU names it. */
  readonly path: string;
  readonly reach: Reach;
}

/** QEMU makes the socket itself: where it runs as another user, or with another root, only a directory of its own will do. */
function placeOf({ pid, ownDirectory }: GuestHandle, stubs: string): Result<StubPlace> {
  const name = `plumbline-${pid}.gdb`;
  if (ownDirectory !== undefined) return ok({ path: join(ownDirectory, name), reach: throughRootOf(pid) });
  const made = makePrivate(stubs);
  return made.ok ? ok({ path: join(stubs, name), reach: sameRoot }) : made;
}

function makePrivate(directory: string): Result<void> {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return ok(undefined);
  } catch (thrown) {
    return fail(problem('failed', `No place for a trace could be made at ${directory}: ${causeOf(thrown)}.`));
  }
}
