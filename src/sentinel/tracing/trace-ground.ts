// Makes a QEMU guest ready to be traced by another process, which has no monitor of its own.
import { problem } from '../../kit/problem.ts';
import { fail, type Result } from '../../kit/result.ts';
import type { GuestHandle } from '../../introspection/hypervisor/guest-handle.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import type { TraceGround } from './vm-trace.ts';

export function traceGround(
  handle: GuestHandle,
  _monitor: Monitor,
  _profileDirectory: string | null,
): Promise<Result<TraceGround>> {
  return Promise.resolve(fail(problem('failed', `${handle.name} cannot be traced yet.`)));
}
