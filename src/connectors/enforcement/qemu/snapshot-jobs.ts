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

/** Answers what QEMU told of it: it resets the guest for a snapshot, and says so, just before it loads one. */
export async function loadSnapshot(monitor: Monitor, name: string, patience: Patience): Promise<Result<string>> {
  let wasReset = false;
  const stopListening = monitor.subscribe(({ name: event, data }) => {
    wasReset ||= event === 'RESET' && data['reason'] === 'snapshot-load';
  });
  try {
    const loaded = await runJob(monitor, 'snapshot-load', name, `The VM did not go back to ${name}`, patience);
    if (!loaded.ok) return loaded;
    return wasReset
      ? ok(`QEMU has reset the guest and loaded ${name}`)
      : fail(problem('interrupted', `QEMU took the order to load ${name} and told of no reset.`, 'Look at the VM.'));
  } finally {
    stopListening();
  }
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
