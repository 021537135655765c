// The monitor of a watched VM, for whoever needs it to go on.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import type { VmWatch } from './vm-watch.ts';

export async function monitorOf(watch: Pick<VmWatch, 'entry' | 'monitor'>): Promise<Result<Monitor>> {
  const monitor = await watch.monitor();
  const { name } = watch.entry.handle;
  return monitor === null ? fail(problem('failed', `The monitor of ${name} cannot be reached.`)) : ok(monitor);
}
