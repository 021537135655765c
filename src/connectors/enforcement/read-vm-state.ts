// What is true of a QEMU guest, read from QEMU itself and from the host's process table, whoever manages it.
import { asObject, asText } from '../../kit/json-object.ts';
import { type Problem, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { readDisks, snapshotNodes, snapshotsEverywhere } from './disks.ts';
import type { VmReading } from './enforcer.ts';

/** `alive`: whether the QEMU process of this very run is still there; asks the host, not QEMU. */
export async function readVmState(monitor: Monitor, alive: () => boolean): Promise<Result<VmReading>> {
  if (!alive()) return ok({ run: 'gone', words: 'the QEMU process has ended', snapshots: [] });
  const status = await monitor.execute('query-status');
  if (!status.ok) {
    // The process may have ended between the two questions.
    return alive() ? status : ok({ run: 'gone', words: 'the QEMU process has ended', snapshots: [] });
  }
  const answer = asObject(status.value);
  const words = asText(answer?.['status']) ?? 'unknown';
  const disks = await readDisks(monitor);
  return ok({
    // At a stop point of a trace a guest stands for a fraction of a millisecond and then runs on by itself.
    run: answer?.['running'] === true || words === 'debug' ? 'running' : 'paused',
    words: `query-status: ${words}`,
    snapshots: disks.ok ? snapshotsEverywhere(disks.value) : [],
  });
}

/** Null when an internal snapshot can be made; otherwise what stands in the way. */
export async function snapshotObstacle(monitor: Monitor): Promise<Problem | null> {
  const disks = await readDisks(monitor);
  if (!disks.ok) return disks.error;
  const nodes = snapshotNodes(disks.value);
  return nodes.ok ? null : nodes.error;
}

/** The VM's RAM in bytes, with what was plugged in since. */
export async function memorySize(monitor: Monitor): Promise<Result<number>> {
  const answer = await monitor.execute('query-memory-size-summary');
  if (!answer.ok) return answer;
  const sizes = asObject(answer.value);
  const base = sizes?.['base-memory'];
  const plugged = sizes?.['plugged-memory'] ?? 0;
  return typeof base === 'number' && base > 0 && typeof plugged === 'number'
    ? ok(base + plugged)
    : fail(problem('unreadable', 'QEMU does not say how much memory the VM has.'));
}
