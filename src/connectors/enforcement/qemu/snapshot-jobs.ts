// Snapshots within the disk images of a guest of plain QEMU: making one, and going back to one. Both are jobs of QEMU (6.0 and newer):
// started, polled until they are concluded, then dismissed (qapi/migration.json, qapi/job.json).
import type { Json } from '../../../kit/canonical-json.ts';
import { asList, asObject, asText } from '../../../kit/json-object.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { Monitor } from '../../../protocols/qmp/monitor.ts';
import { readDisks, snapshotNodes } from '../disks.ts';
import type { Patience } from '../verified-action.ts';

const jobWaitMs = 50;
const limitMs = 60_000;

export function saveSnapshot(monitor: Monitor, name: string, patience: Patience): Promise<Result<void>> {
  return runJob(monitor, 'snapshot-save', name, `Snapshot ${name} was not made`, patience);
}

/**
 * Loads it while the guest stands, so that what its timer shows is the snapshot's and not yet a moment later, then lets it run if it ran.
 * Answers how far the timer went back.
 */
export async function loadSnapshot(monitor: Monitor, name: string, patience: Patience): Promise<Result<string>> {
  const status = await monitor.execute('query-status');
  if (!status.ok) return status;
  const ran = asObject(status.value)?.['running'] === true;
  const stopped = ran ? await monitor.execute('stop') : status;
  if (!stopped.ok) return stopped;
  const before = await readTimer(monitor);
  const loaded = await runJob(monitor, 'snapshot-load', name, `The VM did not go back to ${name}`, patience);
  const after = await readTimer(monitor);
  // One that was begun and did not end leaves a guest that is neither the one nor the other: it stays as QEMU left it.
  if (ran && (loaded.ok || (before !== null && after === before))) {
    const resumed = await monitor.execute('cont');
    if (!resumed.ok) return resumed;
  }
  if (!loaded.ok) return loaded;
  if (before !== null && after !== null && after < before)
    return ok(`QEMU has loaded ${name}, and the guest's timer (HPET) went back from ${before} to ${after} ticks`);
  const shown =
    after === null || after === 0n ? 'has no timer (HPET) that shows it' : `has its timer at ${after} ticks as before`;
  return fail(problem('interrupted', `QEMU says that it has loaded ${name}; the guest ${shown}.`, 'Look at the VM.'));
}

/** Main counter of the HPET (hw/timer/hpet.c), in two halves; null where the guest has none. The guest stands. */
async function readTimer(monitor: Monitor): Promise<bigint | null> {
  const said = await monitor.hmp('xp /2xw 0xfed000f0');
  const halves = said.ok ? / 0x([0-9a-f]{8}) 0x([0-9a-f]{8})\b/i.exec(said.value.slice(0, 200)) : null;
  return halves === null ? null : BigInt(`0x${halves[2]}${halves[1]}`);
}

async function runJob(
  monitor: Monitor,
  command: 'snapshot-save' | 'snapshot-load',
  tag: string,
  otherwise: string,
  { clock, sleep }: Patience,
): Promise<Result<void>> {
  const disks = await readDisks(monitor);
  if (!disks.ok) return disks;
  const nodes = snapshotNodes(disks.value);
  if (!nodes.ok) return nodes;
  const [vmstate] = nodes.value;
  const job = `plumbline-${tag}`;
  const started = await monitor.execute(command, { 'job-id': job, tag, vmstate, devices: nodes.value });
  if (!started.ok) return started;
  const failed = (why: string): Result<void> =>
    fail(problem('failed', `${otherwise}: ${why}.`, 'Check the free space where the disk image lies.'));
  const deadline = clock.monotonic() + limitMs;
  for (;;) {
    const jobs = await monitor.execute('query-jobs');
    if (!jobs.ok) return jobs;
    const state = jobNamed(jobs.value, job);
    if (state === null) return ok(undefined);
    if (state.status === 'concluded') {
      await monitor.execute('job-dismiss', { id: job });
      return state.error === null ? ok(undefined) : failed(state.error);
    }
    if (clock.monotonic() >= deadline) return failed(`not finished after ${limitMs} ms`);
    await sleep(jobWaitMs);
  }
}

function jobNamed(jobs: Json, id: string): { status: string | null; error: string | null } | null {
  const job = asList(jobs, 1000)
    .map((entry) => asObject(entry))
    .find((entry) => entry?.['id'] === id);
  return job == null ? null : { status: asText(job['status']), error: asText(job['error']) };
}
