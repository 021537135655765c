// QEMU's gdb stub, opened and closed through the guest's monitor. Opening it changes nothing in the guest; connecting to it does.
// One that is there already belongs to somebody else's debugger and is left alone.
import { rmSync } from 'node:fs';
import type { Json } from '../../kit/canonical-json.ts';
import { asText } from '../../kit/json-object.ts';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';

/** QEMU's name for the character device of its stub, whether `-gdb`, `-s` or the monitor made it. */
const stubDevice = 'gdb';
/** QEMU takes paths of unix sockets up to this length. */
const pathBytesMax = 107;

/** Where a path of QEMU's is for us: its root may be another than ours. */
export type Reach = (pathInQemu: string) => string;

export const sameRoot: Reach = (path) => path;

/** Through the root directory of QEMU's process, whatever mount namespace it lives in (proc(5), `/proc/PID/root`). */
export function throughRootOf(pid: number): Reach {
  return (path) => `/proc/${pid}/root${path}`;
}

/** Where a stub listens that is open already, as QEMU says it, such as `disconnected:unix:/run/x.sock,server=on`; null = none is. */
export async function findStub(monitor: Monitor): Promise<Result<string | null>> {
  const devices = await monitor.execute('query-chardev');
  if (!devices.ok) return devices;
  const rows = Array.isArray(devices.value) ? (devices.value as readonly { readonly [key: string]: Json }[]) : [];
  const stub = rows.find((row) => row['label'] === stubDevice);
  return ok(stub === undefined ? null : (asText(stub['filename']) ?? 'somewhere'));
}

/** The path of the unix socket in what `findStub` answers; null = it listens elsewhere. */
export function stubPathOf(stub: string): string | null {
  return /^(?:disconnected:)?unix:(.+?)(?:,server(?:=on)?)?$/.exec(stub)?.[1] ?? null;
}

/**
 * Opens the stub on a unix socket at `path`, in a directory that QEMU may write to and nobody else may enter: whoever connects
 * holds the guest. Problem `refused`: a debugger is in use.
 */
export async function openStub(monitor: Monitor, path: string, reach: Reach = sameRoot): Promise<Result<void>> {
  if (Buffer.byteLength(reach(path)) > pathBytesMax || /[\s,]/.test(path)) {
    return fail(problem('usage', `QEMU cannot listen at ${path}.`, 'Use a shorter path without spaces and commas.'));
  }
  const found = await findStub(monitor);
  if (!found.ok) return found;
  if (found.value !== null) {
    const message = `A debugger is attached to this guest already, or may be: QEMU has a gdb stub open (${found.value}).`;
    return fail(
      problem('refused', message, 'End it with `gdbserver none` in the monitor, or start QEMU without -gdb and -s.'),
    );
  }
  try {
    rmSync(reach(path), { force: true });
  } catch (thrown) {
    return fail(problem('failed', `Could not make room for a socket at ${path}: ${causeOf(thrown)}.`));
  }
  const said = await monitor.hmp(`gdbserver unix:${path},server=on,wait=off`);
  if (!said.ok) return said;
  const opened = await findStub(monitor);
  if (!opened.ok) return opened;
  if (opened.value !== null && stubPathOf(opened.value) !== path) {
    // QEMU has one stub, and opening another closes it without a word: of two that open one at the same moment the later has it.
    const message = `Somebody else opened a gdb stub of this guest at the same moment (${opened.value}).`;
    return fail(problem('refused', message, 'End it there first.'));
  }
  if (opened.value !== null) return ok(undefined);
  const mend = 'Check that QEMU may create a socket there, and that its sandbox allows it.';
  return fail(
    problem('failed', `QEMU did not open a gdb stub at ${path}: ${said.value.trim() || 'no reason given'}.`, mend),
  );
}

/** Closes the stub. Points that a client left in QEMU stay there: detach first. */
export async function closeStub(monitor: Monitor, path: string, reach: Reach = sameRoot): Promise<Result<void>> {
  const said = await monitor.hmp('gdbserver none');
  if (!said.ok) return said;
  rmSync(reach(path), { force: true });
  return ok(undefined);
}
